"""All that is heard of a batch of loops, wherever it is heard: embeddings, findings, musical measurements."""
