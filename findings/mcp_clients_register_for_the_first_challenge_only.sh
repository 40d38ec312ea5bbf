#!/usr/bin/env bash
set -euo pipefail
# Packages: @modelcontextprotocol/client 2.4.0, oidc-provider 9.13.3, node 22.23.3 (npm). Seen on 2026-11-28.
#
# Expectation: a server names the few scopes that nearly every call needs in its first challenge (401), and the further
# one in a second challenge (403) when a call needs it. The client then asks for both (MCP 2026-07-28, Step-Up
# Authorization Flow).
#
# Behaviour: the official client registers (RFC 7591) with `scope` set to that of the first challenge, once. The
# authorization server, certified for OpenID, takes this as all that the client may ever ask for, and answers the step up
# with invalid_scope, "requested scope is not allowed". With a server that leaves `scope` of a registration aside it works.
#
# Meaning for a server that returns pictures: every scope that a conversation may need, that of a deletion too, belongs in
# the first challenge. What is left to a step up comes to clients that were registered by hand, and to few others.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-package-lock \
  @modelcontextprotocol/client@2.4.0 oidc-provider@9.13.3 node@22.23.3 >/dev/null

cat > check.mjs <<'JS'
import { createServer } from "node:http";
import { auth } from "@modelcontextprotocol/client";
import { Provider } from "oidc-provider";

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`)));

let oidc;
const issuer = await listening(createServer((request, response) => oidc.callback()(request, response)));
oidc = new Provider(issuer, {
  clientAuthMethods: ["none"],
  scopes: ["openid", "draw", "look", "delete"],
  features: {
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: "draw look delete", accessTokenFormat: "jwt" }),
    },
  },
});

let resource;
resource = await listening(
  createServer((_, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ resource: `${resource}/mcp`, authorization_servers: [issuer] }));
  }),
);

const kept = {};
const provider = {
  redirectUrl: "http://127.0.0.1:1/callback",
  clientMetadata: {
    client_name: "a chat program",
    redirect_uris: ["http://127.0.0.1:1/callback"],
    grant_types: ["authorization_code"],
    token_endpoint_auth_method: "none",
    application_type: "native",
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => undefined,
  saveTokens: () => {},
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  redirectToAuthorization: (url) => void (kept.url = url),
};

async function asked(scope) {
  await auth(provider, { serverUrl: `${resource}/mcp`, scope });
  const answer = await fetch(kept.url, { redirect: "manual" });
  return new URL(answer.headers.get("location"), issuer);
}

const first = await asked("draw look");
if (kept.client.scope !== "draw look") throw new Error(`registered with ${kept.client.scope}`);
if (!first.pathname.startsWith("/interaction/")) throw new Error(`not asked to sign in: ${first}`);
const second = await asked("draw look delete");
console.log(second.searchParams.get("error"), "-", second.searchParams.get("error_description"));
if (second.searchParams.get("error") !== "invalid_scope") throw new Error(`the step up was let through: ${second}`);
console.log("seen: the client registered for the scopes of the first challenge, and its step up was refused");
process.exit(0);
JS
node_modules/.bin/node check.mjs 2>/dev/null
