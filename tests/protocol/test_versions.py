"""The era of a message, and the revision that `initialize` agrees on."""

import pytest

from service.protocol.versions import (
    BATCHES,
    ERA_OF,
    LEGACY_VERSIONS,
    RESUMES,
    SUPPORTED_VERSIONS,
    Era,
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
