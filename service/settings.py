"""What the environment may set, frozen at start. `SETTINGS` is the one table: `--help` and README show it."""
