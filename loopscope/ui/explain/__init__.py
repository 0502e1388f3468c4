"""The panel on the selected loop: why it has its score, and what to hear beside it."""
