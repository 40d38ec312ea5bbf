"""Scopes and what they imply, and the settings of the authorization server."""

import pytest

from service.authorization import SCOPES, OAuth, granted
from service.settings import Settings
from service.settings_reader import SettingsError

ISSUER = {"EASEL_OAUTH_ISSUER": "https://auth.example.com/"}
PUBLIC = {"EASEL_PUBLIC_URL": "https://easel.example.com"}


@pytest.mark.parametrize(
    ("scopes", "grant"),
    [
        ([], set()),
        (["openid", "Draw", "draw:all"], set()),
        (["look"], {"look"}),
        (["draw"], {"draw", "look"}),
        (["delete"], {"delete", "look"}),
        (["look", "draw"], {"draw", "look"}),
        (["admin"], SCOPES),
    ],
)
def test_a_broader_scope_implies_narrower_ones(scopes: list[str], grant: set[str]) -> None:
    """Spec 2026-07-28, Step-Up Authorization Flow: servers MUST account for scope hierarchies."""
    assert granted(scopes) == grant


def test_an_issuer_is_kept_by_each_character() -> None:
    """RFC 9068, 4: `iss` must match exactly. Auth0's issuers end in a slash."""
    assert Settings.from_env(ISSUER | PUBLIC).oauth == OAuth(issuer="https://auth.example.com/")


def test_every_setting_of_the_server_is_read() -> None:
    env = {
        "EASEL_OAUTH_AUDIENCE": "easel",
        "EASEL_OAUTH_JWKS_URL": "https://auth.example.com/keys",
        "EASEL_OAUTH_TOKEN_TYPE": "JWT",
    }
    assert Settings.from_env(env | ISSUER | PUBLIC).oauth == OAuth(
        issuer="https://auth.example.com/",
        audience="easel",
        jwks_url="https://auth.example.com/keys",
        plain_jwt=True,
    )


def test_with_a_server_it_may_listen_beyond_this_machine_and_several_people_use_it() -> None:
    settings = Settings.from_env(ISSUER | PUBLIC | {"EASEL_HOST": "0.0.0.0"})
    assert settings.needs_token
    assert settings.several_owners
    assert not settings.without_tokens().needs_token


def test_on_one_machine_no_public_url_is_needed() -> None:
    assert Settings.from_env({"EASEL_OAUTH_ISSUER": "http://localhost:8080/realms/easel"}).oauth


@pytest.mark.parametrize(
    ("env", "name", "right"),
    [
        pytest.param({"EASEL_OAUTH_ISSUER": "http://auth.example.com"}, "EASEL_OAUTH_ISSUER", "https://", id="http"),
        pytest.param({"EASEL_OAUTH_ISSUER": "auth.example.com"}, "EASEL_OAUTH_ISSUER", "scheme", id="no scheme"),
        pytest.param({"EASEL_OAUTH_ISSUER": "https://a@auth.example.com"}, "EASEL_OAUTH_ISSUER", "URL", id="user"),
        pytest.param({"EASEL_OAUTH_ISSUER": "https://auth.example.com#x"}, "EASEL_OAUTH_ISSUER", "path", id="fragment"),
        pytest.param({"EASEL_OAUTH_JWKS_URL": "http://10.0.0.1/jwks"}, "EASEL_OAUTH_JWKS_URL", "https://", id="keys"),
        pytest.param({"EASEL_PUBLIC_URL": ""}, "EASEL_PUBLIC_URL", "must be set", id="no public URL"),
        pytest.param({"EASEL_PUBLIC_URL": "http://easel.example.com"}, "EASEL_PUBLIC_URL", "https://", id="public"),
        pytest.param({"EASEL_OAUTH_TOKEN_TYPE": "opaque"}, "EASEL_OAUTH_TOKEN_TYPE", "at+jwt", id="token type"),
        pytest.param(
            {"EASEL_OAUTH_ISSUER": "", "EASEL_OAUTH_AUDIENCE": "easel"}, "EASEL_OAUTH_AUDIENCE", "ISSUER", id="audience"
        ),
    ],
)
def test_a_setting_that_cannot_be_used_names_itself(env: dict[str, str], name: str, right: str) -> None:
    with pytest.raises(SettingsError) as problem:
        Settings.from_env(ISSUER | PUBLIC | env)
    assert problem.value.name == name
    assert right in str(problem.value)
