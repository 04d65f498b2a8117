"""Where work runs: maps a function over parts, and knows no table and no arithmetic."""
