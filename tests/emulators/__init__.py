"""Upstreams that run on loopback: real servers that answer as the real services do."""
