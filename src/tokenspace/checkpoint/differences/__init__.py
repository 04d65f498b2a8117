"""What differs between two model folders: tensors, JSON files, the other files."""
