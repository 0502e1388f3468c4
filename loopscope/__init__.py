"""loopscope: one-class anomaly detection on loop embeddings, with instant audition."""
