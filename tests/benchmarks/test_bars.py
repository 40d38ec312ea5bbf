"""Ours: the plot shows what the tables say, and goes by processor time where the clock says less."""

from xml.etree import ElementTree as ET

from benchmarks import bars
from tests.benchmarks import measured


def test_each_panel_has_the_bars_that_were_measured() -> None:
    calls, pictures, generations = bars.panels(measured.run())
    assert [round(value, 2) for _, value in calls.bars] == [1.0, 0.8, 0.1]
    assert pictures.bars == [("aiohttp's FileResponse", 1.0), ("Easel", 2.0)]
    assert generations.bars == [("Easel: 1.1 MB by URL", 1.275)]


def test_on_a_busy_machine_it_goes_by_processor_time_and_says_so() -> None:
    run = measured.run()
    for each in run.requests:
        each["bare: call, JSON"]["core"] = 0.4
        each["service: modern cache"]["cpu"] = 200.0
    calls = bars.panels(run)[0]
    assert "processor" in calls.title
    assert calls.bars[1][1] == 0.5


def test_it_is_an_svg_whose_longest_bar_is_cut_and_marked() -> None:
    text = bars.svg([bars.Panel("a < b", [("Easel", 1.0), ("nginx", 10.0)], 4.0)], "caption & date")
    root = ET.fromstring(text)  # noqa: S314 - written here
    widths = [float(each.get("width", "0")) for each in root.iter() if each.tag.endswith("rect")]
    space = bars.WIDTH - bars.LEFT - bars.RIGHT
    assert widths[1:] == [space / 4, space]
    assert "10.0 →" in text
    assert "a < b" in "".join(root.itertext())
