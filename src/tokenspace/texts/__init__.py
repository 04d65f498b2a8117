"""Text on its way to tokens: read in pieces, and cut by a tokenizer or at blanks, each different word once."""
