"""Embedded defaults: everything in one folder on one machine."""
