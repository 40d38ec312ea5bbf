"""Records and bytes: the contracts, SQLite, and the data folder."""
