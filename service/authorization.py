"""Authorization: the scopes of an access token, and the settings of the authorization server that makes such tokens."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from service.hosts import is_loopback, is_protected

LOOK: Final = "look"
DRAW: Final = "draw"
DELETE: Final = "delete"
ADMIN: Final = "admin"

IMPLIED: Final[Mapping[str, frozenset[str]]] = {
    LOOK: frozenset({LOOK}),
    DRAW: frozenset({DRAW, LOOK}),
    DELETE: frozenset({DELETE, LOOK}),
    ADMIN: frozenset({ADMIN, DELETE, DRAW, LOOK}),
}
"""The scopes that each one grants. Whoever draws or deletes is shown what was drawn, or is to be deleted."""

SCOPES: Final = IMPLIED[ADMIN]
"""Every scope: to read the history, to make pictures, to delete one, to remove everything."""

ISSUER: Final = "EASEL_OAUTH_ISSUER"
AUDIENCE: Final = "EASEL_OAUTH_AUDIENCE"
JWKS_URL: Final = "EASEL_OAUTH_JWKS_URL"
TOKEN_TYPE: Final = "EASEL_OAUTH_TOKEN_TYPE"  # noqa: S105 - the name of a setting
PUBLIC_URL: Final = "EASEL_PUBLIC_URL"


class OAuthError(Exception):
    """A setting of the authorization server cannot be used: what is wrong with `setting`, and what would be right."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(problem)
        self.setting = setting


@dataclass(frozen=True, kw_only=True)
class OAuth:
    """The authorization server whose access tokens are taken. `issuer` is its identifier, by each character.

    `audience` is what its tokens must be for, the URL of the MCP endpoint when empty. `jwks_url` is where its keys are,
    when its metadata is not asked. With `plain_jwt`, tokens of the type JWT are taken beside those of at+jwt.
    """

    issuer: str
    audience: str = ""
    jwks_url: str = ""
    plain_jwt: bool = False


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """Return what some scopes grant, the implied ones included; unknown ones grant nothing here."""
    return frozenset().union(*(IMPLIED[each] for each in scopes if each in IMPLIED))


def read_oauth(text: Callable[[str], str], public_url: str) -> OAuth | None:
    """Read the settings by name; None where no server is set. Raises `OAuthError`."""
    issuer, jwks_url, typ = text(ISSUER), text(JWKS_URL), text(TOKEN_TYPE).lower()
    if not issuer:
        for name in (AUDIENCE, JWKS_URL):
            if text(name):
                raise OAuthError(name, f"means nothing without {ISSUER}: set that too, or neither")
        return None
    for name, url in ((ISSUER, issuer), (JWKS_URL, jwks_url)):
        if url and not is_protected(url):
            raise OAuthError(name, "must begin with https://, since keys that come by http can be forged on the way")
    if not public_url and not is_loopback(urlsplit(issuer).hostname or ""):
        raise OAuthError(
            PUBLIC_URL,
            f"must be set with {ISSUER}: access tokens are made for the URL that clients use, such as "
            "https://easel.example.com",
        )
    if public_url and not is_protected(public_url):
        raise OAuthError(PUBLIC_URL, f"must begin with https:// with {ISSUER}: clients send access tokens there")
    if typ not in ("at+jwt", "jwt"):
        raise OAuthError(TOKEN_TYPE, f"{typ[:40]!r} is neither at+jwt nor jwt")
    return OAuth(issuer=issuer, audience=text(AUDIENCE), jwks_url=jwks_url, plain_jwt=typ == "jwt")
