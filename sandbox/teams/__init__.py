"""The Teams side: what was said where, the Bot Connector, Graph, and the people who type."""
