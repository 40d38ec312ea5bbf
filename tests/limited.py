"""Limits for tests: one that is set, as a setting would have it, and no other."""

from service.bounds.limits import NO_LIMIT, UNLIMITED, Allowances, Limit


def limited(limit: Limit, each: float, overall: float = NO_LIMIT) -> Allowances:
    """Only this limit, of each owner and of all; 0 is no limit."""
    return Allowances(pairs={**UNLIMITED.pairs, limit.name: (each, overall)})
