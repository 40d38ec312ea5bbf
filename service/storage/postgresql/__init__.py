"""Records in a PostgreSQL database, which many replicas share."""
