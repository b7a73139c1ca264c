"""The archive: everything out of Freshchat and Freshdesk, into a folder that can be proved complete."""
