"""Detectors: what is normal in a set of embeddings, and how far each loop lies from it; higher = more anomalous."""
