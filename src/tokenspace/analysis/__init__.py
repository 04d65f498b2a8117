"""What a finished table is like: rows that cannot be told apart."""
