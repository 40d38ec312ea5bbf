"""Ours: the pages show the figures that lie beside them, and `make bench ARGS=--docs` writes both."""

import pytest

from benchmarks import pages
from benchmarks.results import Results
from tests.benchmarks import measured


def test_the_pages_are_those_of_the_figures() -> None:
    """Ours: no figure is written by hand. `python -m benchmarks.pages` brings them up to date."""
    results = Results.read(pages.FIGURES)
    page, readme = (path.read_text(encoding="utf-8") for path in (pages.PAGE, pages.README))
    assert pages.page_of(results, page) == page
    assert pages.readme_of(results, readme) == readme
    assert pages.plot_of(results) == pages.PLOT.read_text(encoding="utf-8")


def test_the_page_shows_each_table_once_and_keeps_its_words() -> None:
    empty = "# Speed\n\n<!-- calls -->\n<!-- /calls -->\n\nwords\n\n<!-- pictures -->\nold\n<!-- /pictures -->\n"
    page = pages.page_of(measured.run(), empty)
    assert "words" in page
    assert "old" not in page
    assert page.count("service: modern cache") == 1
    assert pages.page_of(measured.run(), page) == page


def test_a_table_that_a_run_has_not_is_named_as_missing() -> None:
    run = measured.run()
    run.crowds.clear()
    assert pages.NOTHING in pages.page_of(run, "<!-- crowds -->\n<!-- /crowds -->\n")


def test_a_page_without_its_marks_is_no_page() -> None:
    with pytest.raises(ValueError, match="no marks of speed"):
        pages.readme_of(measured.run(), "# Easel\n")


def test_the_report_begins_with_its_date_and_machine() -> None:
    assert pages.report(measured.run()).startswith(
        "2026-11-28 12:00 UTC, commit abc1234: 2 cores (Test), Linux 6, Python"
    )
