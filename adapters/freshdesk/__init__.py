"""Freshdesk: read for the archive."""
