"""One module a rival, and one for ourselves: each makes what a case measures, and measures nothing."""
