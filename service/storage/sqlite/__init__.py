"""Records in one SQLite file: one module for each concern, `store.py` puts them together."""
