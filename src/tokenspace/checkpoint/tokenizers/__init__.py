"""The tokenizer files of a model folder: read, rewritten with more tokens, used to cut a new token into old ones."""
