"""Which era a message belongs to, and which revision `initialize` agrees on."""

import pytest

from service.protocol.versions import (
    BATCHES,
    LEGACY_VERSIONS,
    RESUMES,
    SUPPORTED_VERSIONS,
    Era,
    era_of,
    negotiate,
)


@pytest.mark.parametrize("version", LEGACY_VERSIONS)
def test_a_legacy_revision_is_agreed_on_as_asked(version: str) -> None:
    assert negotiate(version) == version


@pytest.mark.parametrize("version", ["2026-07-28", "2024-11-05", "2031-01-01", ""])
def test_initialize_never_agrees_on_anything_but_a_legacy_revision(version: str) -> None:
    """Spec 2025-11-25, Lifecycle: answer with the latest one that the server supports. Modern has no `initialize`."""
    assert negotiate(version) == "2025-11-25"


@pytest.mark.parametrize(
    ("header", "in_meta", "era"),
    [
        pytest.param("2026-07-28", False, Era.MODERN, id="modern header without meta"),
        pytest.param("2026-07-28", True, Era.MODERN, id="modern header and meta"),
        pytest.param("v999.0.0", False, Era.MODERN, id="a version nobody knows"),
        pytest.param("2025-11-25", True, Era.MODERN, id="meta decides against a legacy header"),
        pytest.param(None, True, Era.MODERN, id="meta alone"),
        pytest.param("2025-11-25", False, Era.LEGACY, id="legacy header"),
        pytest.param("2025-03-26", False, Era.LEGACY, id="older legacy header"),
        pytest.param(None, False, Era.LEGACY, id="neither"),
    ],
)
def test_the_era_follows_from_header_and_meta(header: str | None, in_meta: bool, era: Era) -> None:
    """Spec 2026-07-28, Versioning: per-request `_meta` is modern, `initialize` opens a legacy session."""
    assert era_of(header, in_meta) is era


def test_tables_name_revisions_that_are_spoken() -> None:
    """Ours: a revision that was misspelt in a table would be a rule that never holds."""
    assert set(SUPPORTED_VERSIONS) >= BATCHES | RESUMES
