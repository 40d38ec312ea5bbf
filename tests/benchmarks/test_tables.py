"""Ours: medians over rounds, ratios within a round, and a verdict in each row that has a target."""

from benchmarks import tables
from tests.benchmarks import measured


def line(table: str, name: str) -> list[str]:
    """The cells of one row."""
    [found] = [each for each in table.splitlines() if each.startswith(f"| {name}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_row_of_requests_has_its_ratios_and_verdict() -> None:
    table = tables.sections(measured.run())["calls"]
    cells = ["service: modern cache", "8,000", "0.80", "0.80", "≥ 0.75", "14.0", "1.40", "125", "99%", "met"]
    assert line(table, "service: modern cache") == cells


def test_a_ratio_is_made_within_its_round() -> None:
    """Ours: half the machine gone in one round halves both, and no ratio."""
    run = measured.run()
    for name in ("bare: call, JSON", "service: modern cache"):
        run.requests[1][name]["rate"] /= 2
    assert line(tables.sections(run)["calls"], "service: modern cache")[2] == "0.80"


def test_a_picture_is_compared_with_the_same_picture() -> None:
    assert line(tables.sections(measured.run())["pictures"], "service: 200 kB")[2:4] == ["2.00", "2.00"]


def test_other_servers_are_compared_where_they_were_measured() -> None:
    table = tables.sections(measured.run())["others"]
    assert line(table, "requests of the trivial tool of official Python SDK")[1:] == ["8.00", "8.00", "≥ 5", "met"]
    assert "FastMCP" not in table


def test_a_generation_is_compared_with_its_floor() -> None:
    table = tables.sections(measured.run())["generations"]
    assert line(table, "floor of 1.1 MB")[2] == "20.0"
    assert line(table, "`generate` 1.1 MB by URL")[2:] == ["25.5", "1.27", "1.00", "5.00", "met"]


def test_a_crowd_that_takes_too_much_memory_says_so() -> None:
    assert line(tables.sections(measured.run())["crowds"], "500 × 4.2 MB base64")[-1] == "**missed**: memory"


def test_only_easel_has_targets_for_its_start() -> None:
    table = tables.sections(measured.run())["starts"]
    assert line(table, "all of Easel")[-1] == "met"
    assert line(table, "aiohttp")[-1] == ""


def test_what_was_not_measured_has_no_table() -> None:
    run = measured.run()
    run.requests.clear()
    run.crowds.clear()
    assert set(tables.sections(run)) == {"generations", "starts"}


def test_it_is_said_when_the_machine_was_busy_and_who_was_left_out() -> None:
    run = measured.run()
    assert (
        tables.busy(run)
        == "The yardstick had 99% of its core: nothing much else ran. nginx was left out: there is no nginx."
    )
    for each in run.requests:
        each["bare: call, JSON"]["core"] = 0.4
        each["service: modern cache"].update(rate=9000.0, cpu=500.0, p99=900.0)
        each["service: 200 kB"]["busy"] = 0.97
    assert line(tables.sections(run)["calls"], "service: modern cache")[-1] == "**missed**: rate"
    assert "had 40% of its core: the machine did other work" in tables.busy(run)
    assert "at its limit in service: 200 kB" in tables.busy(run)
