"""The tensors of a model folder: in which file each lies, and which of them have one row a token."""
