"""The facts that a client tells of itself, read with distrust."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocol.client import (
    BATCHES,
    ERA_OF,
    LEGACY_VERSIONS,
    RESUMES,
    SUPPORTED_VERSIONS,
    Client,
    Era,
    negotiate,
    read_client,
)
from service.protocol.session import Sessions
from tests.protocol.samples import NOW


def test_what_was_declared_is_kept_by_name() -> None:
    capabilities: dict[str, object] = {
        "elicitation": {"form": {}},
        "sampling": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }
    client = read_client({"name": "Cherry Studio", "version": "2.1"}, capabilities)
    assert (client.name, client.version) == ("Cherry Studio", "2.1")
    assert client.capabilities == {
        "elicitation",
        "elicitation/form",
        "sampling",
        "extensions",
        "extensions/io.modelcontextprotocol/tasks",
    }


@pytest.mark.parametrize(
    ("settings", "modes"),
    [
        pytest.param({}, {"elicitation/form"}, id="none means forms"),
        pytest.param({"url": {}}, {"elicitation/url"}, id="links alone"),
        pytest.param({"form": {}, "url": {}}, {"elicitation/form", "elicitation/url"}, id="both"),
    ],
)
def test_eliciting_without_a_mode_is_by_form(settings: dict[str, Any], modes: set[str]) -> None:
    """Spec 2025-11-25, Elicitation, Capabilities: for clients from before there were modes."""
    assert read_client(None, {"elicitation": settings}).capabilities == {"elicitation"} | modes


def test_what_is_not_as_the_schema_has_it_counts_as_not_said() -> None:
    assert read_client([], None) == Client()
    assert read_client({"name": 5}, {"sampling": True, "unknown": {}}) == Client()


def test_endless_words_are_cut() -> None:
    """Ours: all of this goes into the session id, which goes into a header."""
    client = read_client({"name": "x" * 10_000}, {"extensions": {f"{n:0>60}": {} for n in range(100)}})
    assert len(client.name) == 64
    assert len(client.capabilities) <= 20
    assert read_client(None, {"extensions": {"x" * 65: {}, "a b": {}, "ü": {}, "": {}}}).capabilities == {"extensions"}


CAPABILITIES = st.dictionaries(
    st.sampled_from(["elicitation", "sampling", "roots", "extensions", "other"]),
    st.none() | st.dictionaries(st.text(max_size=80) | st.from_regex(r"[a-z./-]{50,64}", fullmatch=True), st.none()),
)


@given(name=st.text(max_size=100), version=st.text(max_size=100), capabilities=CAPABILITIES)
def test_whatever_a_client_says_its_session_id_can_be_read(name: str, version: str, capabilities: Any) -> None:
    """Bug: a client that declared much got an id too long to be taken back, and opened sessions for ever."""
    client = read_client({"name": name, "version": version}, capabilities)
    sessions = Sessions(b"k" * 32)
    session = sessions.mint("2025-11-25", client, "anna", now=NOW, nonce=b"n" * 16)
    assert sessions.read(session.id, "anna", now=NOW) == session


def test_the_longest_session_id_can_be_read() -> None:
    """Ours: the longest that a client can make it, of characters that JSON writes the longest way."""
    worst = "\x01" * 100
    capabilities: dict[str, Any] = {
        name: {f"{n:0>64}": {} for n in range(99)} for name in ("roots", "sampling", "extensions")
    }
    client = read_client({"name": worst, "version": worst}, capabilities | {"elicitation": {"form": {}}})
    sessions = Sessions(b"k" * 32)
    session = sessions.mint("2025-11-25", client, "o" * 64, now=NOW, nonce=b"n" * 16)
    assert sessions.read(session.id, "o" * 64, now=NOW) == session


@pytest.mark.parametrize("version", LEGACY_VERSIONS)
def test_a_legacy_revision_is_agreed_on_as_asked(version: str) -> None:
    assert negotiate(version) == version


@pytest.mark.parametrize("version", ["2026-07-28", "2024-11-05", "2031-01-01", ""])
def test_initialize_never_agrees_on_anything_but_a_legacy_revision(version: str) -> None:
    """Spec 2025-11-25, Lifecycle: answer with the latest one that the server supports. Modern has no `initialize`."""
    assert negotiate(version) == "2025-11-25"


@pytest.mark.parametrize(
    ("header", "era"),
    [
        pytest.param("2026-07-28", Era.MODERN, id="modern header"),
        pytest.param("v999.0.0", Era.MODERN, id="a version nobody knows"),
        pytest.param("2025-11-25", Era.LEGACY, id="legacy header"),
        pytest.param("2025-03-26", Era.LEGACY, id="older legacy header"),
        pytest.param(None, Era.LEGACY, id="no header"),
    ],
)
def test_the_era_follows_from_the_header(header: str | None, era: Era) -> None:
    """Spec 2026-07-28, Versioning: per-request `_meta` is modern (`test_admission.py`), a legacy header is not."""
    assert ERA_OF.get(header, Era.MODERN) is era


def test_tables_name_revisions_that_are_spoken() -> None:
    """Ours: a revision that was misspelt in a table would be a rule that never holds."""
    assert set(SUPPORTED_VERSIONS) >= BATCHES | RESUMES
