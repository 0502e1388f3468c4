"""What was analysed, kept: folders with their models, thresholds and marks, and the work that goes on for them."""
