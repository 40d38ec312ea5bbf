"""The table of methods: which there are, and in which era."""

from service.protocol.methods import METHODS
from service.protocol.versions import Era


def test_the_eras_share_tools_and_differ_in_how_they_begin() -> None:
    """Spec 2026-07-28 has no handshake and no ping; earlier revisions have no discovery."""
    modern = {name for name, method in METHODS.items() if Era.MODERN in method.eras}
    legacy = {name for name, method in METHODS.items() if Era.LEGACY in method.eras}
    assert modern == {"server/discover", "tools/list", "tools/call"}
    assert legacy == {"initialize", "ping", "tools/list", "tools/call"}
