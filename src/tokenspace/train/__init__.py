"""Training: the rows that a vocabulary was extended by."""
