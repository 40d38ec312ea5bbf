"""The tests; their folders mirror `service/`."""
