"""From an admitted image request to a finished job."""
