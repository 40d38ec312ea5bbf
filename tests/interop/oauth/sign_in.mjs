// The TypeScript SDK's clients sign in by themselves, draw, delete, and ask for a further scope when a call needs it.
// Arguments: sdk (1.x) or client (2.x), and the URL of an endpoint. Prints a line a step: name, ok or FAIL, why.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const REDIRECT_URI = "http://127.0.0.1:1/callback";
const [which, url] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  which === "sdk"
    ? {
        ...(await load("@modelcontextprotocol/sdk/client/index.js")),
        ...(await load("@modelcontextprotocol/sdk/client/streamableHttp.js")),
        ...(await load("@modelcontextprotocol/sdk/client/auth.js")),
      }
    : await load("@modelcontextprotocol/client");

/** The person's browser: follows redirects with its cookies, up to the one that leads back to the client. */
class Browser {
  cookies = new Map();
  answer = undefined;

  async go(first) {
    let at = new URL(first);
    for (let count = 0; count < 20; count += 1) {
      if (at.href.startsWith(REDIRECT_URI)) {
        this.answer = at.searchParams;
        return;
      }
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const answer = await fetch(at, { redirect: "manual", headers: cookie ? { cookie } : {} });
      for (const line of answer.headers.getSetCookie()) {
        const [name, value] = line.split(";")[0].split(/=(.*)/s);
        if (value) this.cookies.set(name, value);
        else this.cookies.delete(name);
      }
      const location = answer.headers.get("location");
      if (!location) throw new Error(`${at.pathname} was answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
      at = new URL(location, at);
    }
    throw new Error("too many redirects");
  }
}

/** What the client keeps between its requests, and its way to the person. */
class Remembered {
  browser = new Browser();
  asked = [];
  kept = {};

  get redirectUrl() {
    return REDIRECT_URI;
  }
  get clientMetadata() {
    return {
      client_name: "a chat program",
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    };
  }
  clientInformation() {
    return this.kept.client;
  }
  saveClientInformation(client) {
    this.kept.client = client;
  }
  tokens() {
    return this.kept.tokens;
  }
  saveTokens(tokens) {
    this.kept.tokens = tokens;
  }
  codeVerifier() {
    return this.kept.verifier;
  }
  saveCodeVerifier(verifier) {
    this.kept.verifier = verifier;
  }
  async redirectToAuthorization(location) {
    this.asked.push(location.searchParams.get("scope"));
    await this.browser.go(location);
  }
}

let failed = false;
async function step(name, run) {
  try {
    console.log(`${name}\tok\t${(await run()) ?? ""}`);
  } catch (error) {
    failed = true;
    console.log(`${name}\tFAIL\t${String(error?.message ?? error).replaceAll(/\s+/g, " ").slice(0, 400)}`);
  }
}

const provider = new Remembered();
let transport;
let client;

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  client = new Client({ name: "interop", version: "1" }, { capabilities: {} });
  await client.connect(transport);
}

/** Do something for which the person may have to sign in: hand in the code, and do it again. */
async function signedIn(run) {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UnauthorizedError) && !provider.browser.answer) throw error;
    const answer = provider.browser.answer;
    provider.browser.answer = undefined;
    if (answer.get("error")) throw new Error(answer.get("error_description") ?? answer.get("error"));
    await transport.finishAuth(which === "sdk" ? answer.get("code") : answer);
    return run();
  }
}

function call(name, args) {
  return client.callTool({ name, arguments: args });
}

function plain(result) {
  const text = result.content.map((each) => each.text ?? each.type).join(" ");
  if (result.isError) throw new Error(text);
  return text;
}

await step("sign in", () => signedIn(connect));
let drawn = 0;
await step("draw", async () => {
  drawn = Number(/history_id\D*(\d+)/.exec(plain(await call("generate", { prompt: "a lighthouse" })))[1]);
});
await step("delete", async () => void plain(await call("delete", { history_id: drawn, confirm: true })));
await step("step up", async () => {
  plain(await signedIn(() => call("cache", { action: "clear", confirm: true })));
  return provider.asked.join(" | ");
});
await client.close().catch(() => {});
process.exit(failed ? 1 : 0);
