"""The table of routes, and the rules that follow from it."""

import pytest

from service.routes import ANY_ORIGIN, RESERVED, ROUTES, WITHOUT_TOKEN
from service.settings import Settings
from service.settings_reader import SettingsError


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_the_endpoint_may_not_take_the_path_of_another_route(route: object) -> None:
    """Ours: the setting would hide pictures, or the check of health."""
    for path in (route.path.rstrip("/"), f"{route.path.rstrip('/')}/mcp"):  # type: ignore[attr-defined]  # a Route
        with pytest.raises(SettingsError, match="EASEL_PATH"):
            Settings.from_env({"EASEL_PATH": path})


def test_every_route_without_a_token_has_a_key_in_its_path_or_reveals_nothing() -> None:
    """Ours: a route that is added is closed unless the table says otherwise."""
    metadata = "/.well-known/oauth-protected-resource"
    assert set(WITHOUT_TOKEN) == {"/mcp-cache/", "/upload/", "/healthz", "/health", "/readyz", "/gallery", metadata}
    assert ("/mcp-cache/", metadata) == ANY_ORIGIN
    assert len(RESERVED) == len(ROUTES)
