"""The core of the bridge: events, keys, ports, and the two deliveries. Knows no vendor's SDK and no HTTP library."""
