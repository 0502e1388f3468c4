"""Archives: libraries too large for one table in memory, as Parquet parts beside a manifest.

Conventions: a part has one row a loop, joined on `loop_id`; embeddings are float16 on disk and (n, n_features) float32
in memory; scores are (n,) float64, higher = more anomalous. Nothing holds all embeddings at once: they pass by in
chunks. An archive lies in a folder, or wherever fsspec finds one (memory://, s3://); a part is written under another
name and then renamed, so it is whole or not there.
"""
