"""`pause` and `resume`: the kill switch works on a running service, of every process, and says what it did."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.commands.pause import PauseError, read_end
from tests.command_process import Process, banner_of, easel, said, value_of
from tests.wire import WireClient, wire_client

NOW = 1_795_000_000.0
TOKENS = "alice:a-token-of-alice,ben:a-token-of-ben00"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    with easel(tmp_path, EASEL_TOKENS=TOKENS) as process:
        yield process


async def draw(client: WireClient, prompt: str = "a fox") -> str:
    """The text of a picture, or of its refusal."""
    text: str = (await client.call("generate", {"prompt": prompt}))["content"][0]["text"]
    return text


async def test_a_running_service_draws_nothing_new_for_who_is_paused(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    async with wire_client(url, "a-token-of-alice") as alice, wire_client(url, "a-token-of-ben00") as ben:
        await draw(alice)
        assert said(tmp_path, "pause", "alice").startswith(
            "Paused: alice until it is resumed. Pictures that are being drawn are finished.\n"
        )
        assert (await draw(alice, "an owl")).startswith(
            "Drawing is paused by the operator of this server. Nothing was charged. Try again in an hour"
        )
        assert len((await alice.call("history"))["structuredContent"]["entries"]) == 1, "looking stays possible"
        assert "paused" not in await draw(ben)
        assert "Paused: alice until it is resumed, since 20" in said(tmp_path, "pause")
        assert said(tmp_path, "resume", "alice") == "Resumed: alice.\n"
        assert "paused" not in await draw(alice, "an owl")


async def test_everybody_can_be_paused_for_a_while(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    async with wire_client(url, "a-token-of-ben00") as ben:
        assert said(tmp_path, "pause", "--all", "--for", "2h").startswith("Paused: everybody until 20")
        assert "Try again in 2 hours." in await draw(ben)
        assert "Still paused: everybody until 20" in said(tmp_path, "resume", "ben", status=1)
        assert said(tmp_path, "resume", "--all") == "Resumed: everybody.\n"
        assert "paused" not in await draw(ben)
    assert said(tmp_path, "pause").startswith("Nothing is paused. `python -m service pause NAME` stops")


@pytest.mark.usefixtures("real_starts")
def test_a_name_that_nobody_has_is_pointed_out(tmp_path: Path, service: Process) -> None:
    """Ours: a slip of the pen would leave the one in question drawing."""
    banner_of(service)
    note = "Note: neither a token nor an owner in the history has the name alcie."
    assert note in said(tmp_path, "pause", "alcie")
    with easel(tmp_path, "pause", "alice", EASEL_TOKENS=TOKENS) as process:
        assert "Note" not in process.communicate()[0]


def test_another_folder_than_that_of_the_service_is_refused(tmp_path: Path) -> None:
    """Ours: the switch must not seem to work where it does not."""
    text = said(tmp_path, "pause", "--all", status=2)
    assert "EASEL_DATA_DIR: data/easel.db is not there: name the data folder of the service" in text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resume",), "name an owner, or --all to lift every pause"),
        (("pause", "alice", "--all"), "name alice, or --all, not both"),
        (("pause", "--for", "2h"), "nothing was paused: name an owner beside --for or --until, or --all for everybody"),
        (("pause", "alice", "--for", "soon"), "--for: 'soon' is no duration of up to a year, such as 90s"),
        (("serve", "alice"), "NAME goes with pause and resume"),
        (("resume", "alice", "--for", "1h"), "--for goes with pause"),
    ],
)
def test_a_wrong_option_is_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in said(tmp_path, *arguments, status=2)


@pytest.mark.parametrize(
    ("for_", "until", "end"),
    [
        (None, None, None),
        ("90s", None, NOW + 90),
        ("30m", None, NOW + 1800),
        ("1d", None, NOW + 86_400),
        (None, "2026-11-18T13:26:40", 1_795_008_400.0),
        (None, "2026-11-18T14:26:40+01:00", 1_795_008_400.0),
    ],
)
def test_the_end_of_a_pause_is_a_duration_or_a_time(for_: str | None, until: str | None, end: float | None) -> None:
    assert read_end(for_, until, NOW) == end


@pytest.mark.parametrize(
    ("for_", "until", "words"),
    [
        ("1h", "2026-11-19", "not both"),
        ("0s", None, "no duration"),
        ("9999d", None, "up to a year"),
        (None, "tomorrow", "no time such as"),
        (None, "2020-01-01", "not within the next year; it is 2026-11-18 1"),
        (None, "9999-12-31T23:59:59-23:59", "--until"),
    ],
)
def test_an_end_that_cannot_be_is_refused(for_: str | None, until: str | None, words: str) -> None:
    with pytest.raises(PauseError, match=words):
        read_end(for_, until, NOW)
