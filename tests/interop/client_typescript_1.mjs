// The TypeScript SDK's client, 1.x: legacy sessions. Arguments: fixture, service or slow, then a URL or a command.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { ROOT, answerForm, heard, walk } from "./walk.mjs";

// The packages are in the cache, not beside this file: INTEROP_MODULES says where.
const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));

const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { StdioClientTransport } = await load("client/stdio.js");
const types = await load("types.js");

const [what, first, ...rest] = process.argv.slice(2);

async function make() {
  const http = first.startsWith("http");
  const transport = http
    ? new StreamableHTTPClientTransport(new URL(first))
    : new StdioClientTransport({ command: first, args: rest, env: process.env });
  const capabilities = { elicitation: {}, sampling: {}, roots: {} };
  const client = new Client({ name: "interop", version: "1" }, { capabilities });
  const logged = [];
  client.setRequestHandler(types.ElicitRequestSchema, async ({ params }) => ({
    action: "accept",
    content: answerForm(params.requestedSchema),
  }));
  client.setRequestHandler(types.CreateMessageRequestSchema, async () => ({
    role: "assistant",
    content: { type: "text", text: "Paris" },
    model: "interop",
  }));
  client.setRequestHandler(types.ListRootsRequestSchema, async () => ({ roots: [{ uri: ROOT }] }));
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => void logged.push(params));
  const next = (schema) => new Promise((resolve) => client.setNotificationHandler(schema, resolve));
  await client.connect(transport);
  // Over stdio this client tells nobody.
  const revision = http ? transport.protocolVersion : "not told";
  return {
    client,
    logged,
    revision: () => revision,
    call: (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, undefined, options),
    watchResource: async (uri, cause) => {
      await client.subscribeResource({ uri });
      await heard(next(types.ResourceUpdatedNotificationSchema), cause);
      await client.unsubscribeResource({ uri });
    },
    watchTools: (cause) => heard(next(types.ToolListChangedNotificationSchema), cause),
  };
}

await walk(make, what);
