"""A day of a team in fast motion, and what the service has more of afterwards: `python -m benchmarks.soak`."""
