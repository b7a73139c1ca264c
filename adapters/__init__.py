"""Adapters by vendor; each file is named after the product it speaks to."""
