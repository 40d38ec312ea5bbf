// The TypeScript SDK's client, 2.x. Arguments: fixture, service or slow; legacy, auto or a revision; then a URL or a command.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { ROOT, answerForm, heard, walk } from "./walk.mjs";

// The packages are in the cache, not beside this file: INTEROP_MODULES says where.
const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");

const [what, mode, first, ...rest] = process.argv.slice(2);

async function make() {
  const transport = first.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(first))
    : new StdioClientTransport({ command: first, args: rest, env: process.env });
  const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
  const pinned = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const client = new Client({ name: "interop", version: "1" }, { capabilities, versionNegotiation: { mode: pinned } });
  const logged = [];
  client.setRequestHandler("elicitation/create", async ({ params }) => ({
    action: "accept",
    content: answerForm(params.requestedSchema),
  }));
  client.setRequestHandler("sampling/createMessage", async () => ({
    role: "assistant",
    content: { type: "text", text: "Paris" },
    model: "interop",
  }));
  client.setRequestHandler("roots/list", async () => ({ roots: [{ uri: ROOT }] }));
  client.setNotificationHandler("notifications/message", ({ params }) => void logged.push(params));
  const next = (method) => new Promise((resolve) => client.setNotificationHandler(method, resolve));
  await client.connect(transport);
  const modern = client.getProtocolEra() === "modern";

  /** Listen as the era has it, while `cause` brings the news about. */
  async function watch(method, filter, cause, subscribe, unsubscribe) {
    const news = next(method);
    if (modern) {
      const stream = await client.listen(filter);
      await heard(news, cause);
      await stream.close();
    } else {
      await subscribe();
      await heard(news, cause);
      await unsubscribe();
    }
  }

  const nothing = async () => {};
  return {
    client,
    logged,
    revision: () => client.getNegotiatedProtocolVersion(),
    call: (name, args = {}, options = {}, meta = undefined) =>
      client.callTool({ name, arguments: args, ...(modern && meta ? { _meta: meta } : {}) }, options),
    watchResource: (uri, cause) =>
      watch(
        "notifications/resources/updated", { resourceSubscriptions: [uri] }, cause,
        () => client.subscribeResource({ uri }), () => client.unsubscribeResource({ uri }),
      ),
    watchTools: (cause) =>
      watch("notifications/tools/list_changed", { toolsListChanged: true }, cause, nothing, nothing),
  };
}

await walk(make, what);
