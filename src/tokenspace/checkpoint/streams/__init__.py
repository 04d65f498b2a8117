"""Bytes on their way from file to file: where they lie, copied, compared, and how far that is."""
