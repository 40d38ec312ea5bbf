"""Clients that sign in at a certified authorization server, and then use a running service."""
