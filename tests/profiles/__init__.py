"""Golden files: what each client gets. `python -m tests.profiles` writes them anew; then read what changed."""
