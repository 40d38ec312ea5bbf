"""The official conformance suite, run against a fixture server on our protocol layer."""
