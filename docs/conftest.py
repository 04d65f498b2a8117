"""What of this folder is run elsewhere: the notebooks, by tests/guides/test_notebooks.py, where marimo is installed."""

collect_ignore_glob = ["notebooks/*"]
