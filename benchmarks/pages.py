"""The report of a run, and the pages that show it."""

from benchmarks.results import Results
from benchmarks.tables import busy, sections


def report(results: Results) -> str:
    """All tables as one text."""
    tables = sections(results)
    return "\n\n".join([f"{results.date}, {results.commit}. {busy(results)}", *tables.values()]) + "\n"
