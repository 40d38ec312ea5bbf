"""Easel against named peers, as ratios measured in one run: `python -m benchmarks`."""
