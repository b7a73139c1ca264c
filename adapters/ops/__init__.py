"""The operators' page: what goes on now, and dead letters as a work list, behind a login."""
