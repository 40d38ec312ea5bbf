// A certified OpenID provider as the authorization server: dynamic registration, resource indicators, JWTs by RFC 9068.
// Argument: a port of loopback. The person signs in at once and agrees to everything; it prints its issuer when it listens.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const SCOPES = "draw look delete admin";
const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clientAuthMethods: ["none"],
  cookies: { keys: ["interop"] },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: SCOPES,
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
      }),
    },
  },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  // The clients register with the scopes of the challenge, and it refuses those that it does not know.
  scopes: ["openid", "offline_access", ...SCOPES.split(" ")],
  pkce: { required: () => true },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, Interaction: 60, Session: 3600 },
});

/** Sign in, then grant all that is asked for: first as one step, then as the next. */
provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const { prompt, params, session, grantId } = await provider.interactionDetails(context.req, context.res);
  if (prompt.name === "login") {
    return provider.interactionFinished(context.req, context.res, { login: { accountId: "anna" } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  return provider.interactionFinished(
    context.req,
    context.res,
    { consent: { grantId: await grant.save() } },
    { mergeWithLastSubmission: true },
  );
});

provider.listen(port, "127.0.0.1", () => console.log(issuer));
