"""Tests of `service/protocol/`."""
