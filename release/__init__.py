"""What a release consists of, and what must be true before there is one (docs/releasing.md)."""
