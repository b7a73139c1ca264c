"""The command line of the bridge: `python -m bridgectl …`."""
