"""Golden values, each beside the script that made them by another way than the code under test."""
