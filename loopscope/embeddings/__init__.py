"""From a library to one embedding a loop: batched, resumable, with a reason for every file that cannot be embedded.

Conventions: X is (n_loops, n_features) float32, one row per `loop_id` (two files of equal content share one), in the
order of the library; everything is joined on `loop_id`.
"""

from loopscope.embeddings.embed import ENGINES, embed_library
from loopscope.embeddings.embedding_set import EmbeddingSet

__all__ = ["ENGINES", "EmbeddingSet", "embed_library"]
