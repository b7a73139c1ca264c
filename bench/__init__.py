"""The benchmark: `python -m bench` prints one table, each ratio against a baseline measured in the same run."""
