"""Azure: identity, and later its queue, database, blobs and vault. Nothing else imports `azure`."""
