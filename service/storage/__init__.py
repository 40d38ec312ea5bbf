"""Records and bytes: the contracts, the data folder, and the records in SQLite (`sqlite/`)."""
