"""The Freshchat side: the v2 API, its state, and its webhooks."""
