"""Real clients against our server, for real: `python -m tests.interop`."""
