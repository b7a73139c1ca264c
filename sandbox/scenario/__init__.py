"""The whole story of a question, played against a running demo; what arrives is checked."""
