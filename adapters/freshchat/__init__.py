"""Freshchat: its API, its webhook, its signature."""
