"""Bounds: how many calls, requests and bytes there may be at once, and in a minute or a day."""
