"""The control API: how a page or a test acts as a Teams user, as an agent, or as bad luck."""
