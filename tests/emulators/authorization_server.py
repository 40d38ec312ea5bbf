"""An OAuth authorization server: metadata, dynamic registration, code with PKCE, resource indicators, JWTs.

It does what MCP asks of one (spec 2025-11-25 and 2026-07-28, Authorization): RFC 8414 and OpenID Connect Discovery,
RFC 7591, S256 alone, exact redirect URIs, RFC 8707, RFC 9068, RFC 9207, rotating refresh tokens. Whoever comes to its
authorization endpoint is the person `subject`, who agrees to what `allowed` holds of the asked scopes.
"""

import base64
import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.emulators.loopback import serving

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

LIFETIME_S: Final = 600


def new_key(algorithm: str = "ES256") -> PrivateKey:
    """A key pair for an algorithm. Elliptic ones take no time to make."""
    if algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        return ec.generate_private_key(curves[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key pair of the server, and what it publishes of it."""

    kid: str
    algorithm: str = "ES256"
    key: PrivateKey = field(default_factory=new_key)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as the set lists it."""
        public: Any = self.key.public_key()
        jwk = json.loads(type(jwt.get_algorithm_by_name(self.algorithm)).to_jwk(public))
        return {**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm}


@dataclass(eq=False)
class AuthorizationServer:
    """One running server. `url` is its issuer."""

    url: str = ""
    subject: str = "anna"
    allowed: set[str] = field(default_factory=lambda: {"draw", "look", "delete", "admin", "offline_access"})
    signer: Signer = field(default_factory=lambda: Signer(kid="first"))
    published: list[Any] = field(default_factory=list)
    """The members of the key set; the key that signs, unless something else is put here."""
    broken: bool = False
    """Metadata and keys are answered with 500."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests by path."""
    asked_scopes: list[str] = field(default_factory=list)
    """The `scope` of each authorization request."""
    asked_resources: list[str | None] = field(default_factory=list)
    """The `resource` of each authorization request."""
    _clients: dict[str, list[str]] = field(default_factory=dict)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _refresh_tokens: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Sign with a new key from here on, and publish that one alone."""
        self.signer = Signer(kid=kid, algorithm=algorithm, key=new_key(algorithm))
        self.published = [self.signer.jwk]

    def claims(self, resource: str, scope: str = "draw look", **changed: Any) -> dict[str, Any]:
        """The claims of an access token; None as a value leaves one out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": self.subject,
            "aud": resource,
            "exp": now + LIFETIME_S,
            "iat": now,
            "jti": secrets.token_hex(8),
            "client_id": "client",
            "scope": scope,
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def token(self, resource: str, scope: str = "draw look", *, typ: str = "at+jwt", **changed: Any) -> str:
        """An access token, signed."""
        return self.sign(self.claims(resource, scope, **changed), typ=typ)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A JWT of any claims and header members."""
        signer = self.signer
        headers = {"kid": signer.kid, **header}
        return jwt.encode(dict(claims), signer.key, signer.algorithm, headers=headers)

    async def metadata(self, _: web.Request) -> web.Response:
        """RFC 8414, and the same for OpenID Connect Discovery."""
        if self.broken:
            return web.Response(status=500)
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "registration_endpoint": f"{self.url}/register",
                "jwks_uri": f"{self.url}/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": True,
                "scopes_supported": sorted(self.allowed),
            }
        )

    async def jwks(self, _: web.Request) -> web.Response:
        """The key set."""
        if self.broken:
            return web.Response(status=500)
        return web.json_response({"keys": self.published or [self.signer.jwk]})

    async def register(self, request: web.Request) -> web.Response:
        """RFC 7591: any client, public, with the redirect URIs that it names."""
        asked = await request.json()
        client_id = secrets.token_hex(8)
        self._clients[client_id] = asked["redirect_uris"]
        return web.json_response(
            {**asked, "client_id": client_id, "token_endpoint_auth_method": "none", "client_id_issued_at": 0},
            status=201,
        )

    async def authorize(self, request: web.Request) -> web.Response:
        """The person agrees at once, and the browser is sent back with a code."""
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in self._clients.get(query.get("client_id", ""), []):
            return web.Response(status=400, text="unknown client or redirect_uri")
        self.asked_scopes.append(query.get("scope", ""))
        self.asked_resources.append(query.get("resource"))
        answer = {"state": query["state"], "iss": self.url}
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            answer["error"] = "invalid_request"
        else:
            answer["code"] = secrets.token_hex(16)
            self._codes[answer["code"]] = dict(query)
        raise web.HTTPFound(f"{redirect_uri}?{urlencode(answer)}")

    async def give_token(self, request: web.Request) -> web.Response:
        """A code or a refresh token, each good once, becomes an access token."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") == "refresh_token":
            granted = self._refresh_tokens.pop(form.get("refresh_token", ""), None)
        else:
            granted = self._codes.pop(form.get("code", ""), None)
            if granted is not None and not _proves(form.get("code_verifier", ""), granted["code_challenge"]):
                granted = None
        if granted is None or granted["client_id"] != form.get("client_id"):
            return web.json_response({"error": "invalid_grant"}, status=400)
        resource = granted.get("resource", "")
        if form.get("resource", resource) != resource:
            return web.json_response({"error": "invalid_target"}, status=400)
        scope = " ".join(each for each in granted.get("scope", "").split() if each in self.allowed)
        again = secrets.token_hex(16)
        self._refresh_tokens[again] = granted
        return web.json_response(
            {
                "access_token": self.token(resource, scope, client_id=granted["client_id"]),
                "token_type": "Bearer",
                "expires_in": LIFETIME_S,
                "refresh_token": again,
                "scope": scope,
            },
            headers={"Cache-Control": "no-store"},
        )


def _proves(verifier: str, challenge: str) -> bool:
    """RFC 7636, 4.6."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[AuthorizationServer]:
    """Serve on loopback."""
    server = AuthorizationServer()

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        server.requests[request.path] += 1
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[count])
    app.router.add_get("/.well-known/oauth-authorization-server", server.metadata)
    app.router.add_get("/.well-known/openid-configuration", server.metadata)
    app.router.add_get("/jwks", server.jwks)
    app.router.add_post("/register", server.register)
    app.router.add_get("/authorize", server.authorize)
    app.router.add_post("/token", server.give_token)
    async with serving(app, port) as server.url:
        yield server
