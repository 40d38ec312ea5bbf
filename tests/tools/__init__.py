"""Tests of `service/tools/`."""
