#!/usr/bin/env bash
set -euo pipefail
# Packages: @modelcontextprotocol/ext-apps 2.0.4, @modelcontextprotocol/client 2.4.0, node 22.23.3 (npm).
# Seen on 2026-11-29. The page of the MCP Inspector 2.12.0 behaves so with these.
#
# Expectation: a chat program declares the extension for tasks (`io.modelcontextprotocol/tasks`) and shows MCP Apps by the
# official bridge. A view calls a tool through it. The server may answer with a task, which the program waits for, as it
# does when its model calls the tool; or the view's call is sent without that capability.
#
# Behaviour: the bridge sends the view's call by the client of the program, with all that the program declared, and hands
# on the answer that comes at once. For a task that is the error -32603, "Unsupported result type 'task' for tools/call".
# The server goes on with the work. Neither view nor program can ask for the result, and a person presses the button again.
# What the view itself writes into `_meta` arrives.
#
# Meaning for a server that returns pictures: never answer a call of a view with a task, or a picture is paid and shown
# nowhere. The capabilities do not tell such a call from others: let the view mark its calls by a member of `_meta`, and
# answer them within the minute for which the client waits.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-package-lock \
  @modelcontextprotocol/ext-apps@2.0.4 @modelcontextprotocol/client@2.4.0 node@22.23.3 >/dev/null

cat > check.mjs <<'JS'
import { createServer } from "node:http";
import { Client, InMemoryTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { App } from "@modelcontextprotocol/ext-apps";
import { AppBridge } from "@modelcontextprotocol/ext-apps/app-bridge";

const TASKS = "io.modelcontextprotocol/tasks";
const asked = [];

function answer(method, { _meta }) {
  if (method === "server/discover") {
    const capabilities = { tools: {}, extensions: { [TASKS]: {} } };
    return { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities, serverInfo: { name: "s", version: "1" } };
  }
  asked.push(_meta);
  const now = new Date().toISOString();
  const task = { taskId: "t1", status: "working", createdAt: now, lastUpdatedAt: now, ttlMs: 60000, pollIntervalMs: 10 };
  if (TASKS in (_meta["io.modelcontextprotocol/clientCapabilities"].extensions ?? {})) return { resultType: "task", ...task };
  return { resultType: "complete", content: [{ type: "text", text: "the picture" }] };
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const { id, method, params } = JSON.parse(body);
  response.setHeader("Content-Type", "application/json");
  if (id === undefined) response.writeHead(202).end();
  else response.end(JSON.stringify({ jsonrpc: "2.0", id, result: answer(method, params) }));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = new URL(`http://127.0.0.1:${server.address().port}/mcp`);

/** What a view gets for its call in a program of these capabilities. */
async function called(capabilities) {
  const options = { capabilities, versionNegotiation: { mode: { pin: "2026-07-28" } } };
  const client = new Client({ name: "program", version: "1" }, options);
  await client.connect(new StreamableHTTPClientTransport(url));
  const [ofProgram, ofView] = InMemoryTransport.createLinkedPair();
  await new AppBridge(client, { name: "program", version: "1" }, { serverTools: {} }).connect(ofProgram);
  const view = new App({ name: "view", version: "1" }, {}, { autoResize: false });
  await view.connect(ofView);
  const call = view.callServerTool({ name: "generate", arguments: {}, _meta: { "example/from_view": true } });
  return call.then((result) => result.content[0].text, (error) => `${error.code} ${error.message}`);
}

const plain = await called({});
const withTasks = await called({ extensions: { [TASKS]: {} } });
const marked = asked.filter((meta) => meta["example/from_view"] === true).length;
console.log(JSON.stringify({ plain, withTasks, drawn: asked.length, marked }));
process.exit();
JS
said=$(node_modules/.bin/node check.mjs)
wanted='{"plain":"the picture","withTasks":"-32603 Unsupported result type '"'task'"' for tools/call","drawn":2,"marked":2}'
if [ "$said" != "$wanted" ]; then
  echo "changed: $said"
  exit 1
fi
echo "seen: the view of a program that takes tasks gets -32603 for a picture that is being drawn; $said"
