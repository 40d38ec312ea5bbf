"""The vendors' own clients against the emulators."""
