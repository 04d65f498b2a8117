"""What a finished table is like: how it agrees with people and with another table, and which of its rows cannot be told apart."""
