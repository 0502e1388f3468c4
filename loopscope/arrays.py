"""Array types by what they hold; shapes stand in docstrings.

`Float` is any real floating type (embeddings and samples are float32, scores float64), `Int` numbers rows, groups or
folds, `Bool` chooses rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Int = NDArray[np.integer[Any]]
Bool = NDArray[np.bool_]
