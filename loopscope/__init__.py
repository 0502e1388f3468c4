"""loopscope: one-class anomaly detection on loop embeddings, with instant audition."""

__version__ = "0.1.0"
