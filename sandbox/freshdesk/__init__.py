"""Freshdesk's read side, as an export sees it."""
