"""What is in a model folder, what its configuration says, and a new folder written beside an old one."""
