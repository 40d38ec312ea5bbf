#!/usr/bin/env bash
set -euo pipefail
# Packages: @modelcontextprotocol/ext-apps 2.0.4, @modelcontextprotocol/client 2.4.0, node 22.23.3 (npm).
# Seen on 2026-11-29. It waits for more than a minute.
#
# Expectation: a view of MCP Apps calls a tool with a timeout of ten minutes, `resetTimeoutOnProgress` and `onprogress`.
# The official bridge passes on the call with its progress token; the server reports progress every two seconds, which
# reaches the view, and after 66 seconds the picture.
#
# Behaviour: the bridge asks by the client of the chat program with the 60 seconds that this has by default, and with no
# ear for progress. None reaches the view. After a minute the view gets "Request timed out", and the stream to the server is
# closed, which is a cancellation (MCP 2026-07-28). The same client with the same options, asked without the bridge, waits
# and gets the picture.
#
# Meaning for a server that returns pictures: answer a call of a view within some 45 seconds, with a number by which the
# view asks again, and show by the view itself that the picture is still being drawn. A call that ends is no reason to
# drop a picture that is paid for.

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

const DRAWING_MS = 66_000;
let tokens = 0;
let closedEarly = 0;

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const { id, method, params } = JSON.parse(body);
  if (id === undefined) return response.writeHead(202).end();
  const answer = (result) => JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } });
  if (method === "server/discover") {
    const about = { supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } };
    return response.setHeader("Content-Type", "application/json").end(answer(about));
  }
  const { progressToken } = params._meta;
  if (progressToken !== undefined) tokens += 1;
  response.setHeader("Content-Type", "text/event-stream");
  let progress = 0;
  const reporting = setInterval(() => {
    const told = { progressToken, progress: (progress += 1), message: "drawing" };
    response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: told })}\n\n`);
  }, 2000);
  const picture = answer({ content: [{ type: "text", text: "the picture" }] });
  const ending = setTimeout(() => response.end(`data: ${picture}\n\n`), DRAWING_MS);
  response.on("close", () => {
    clearInterval(reporting);
    clearTimeout(ending);
    if (!response.writableFinished) closedEarly += 1;
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = new URL(`http://127.0.0.1:${server.address().port}/mcp`);

async function connected() {
  const options = { versionNegotiation: { mode: { pin: "2026-07-28" } } };
  const client = new Client({ name: "program", version: "1" }, options);
  await client.connect(new StreamableHTTPClientTransport(url));
  return client;
}

/** What a call ends with, after how many seconds, and how much progress was heard. */
async function outcome(call) {
  const began = Date.now();
  let heard = 0;
  const patient = { timeout: 600_000, resetTimeoutOnProgress: true, onprogress: () => (heard += 1) };
  const end = await call({ name: "generate", arguments: {} }, patient).then(
    (result) => result.content[0].text,
    (error) => error.message,
  );
  return { end, minutes: (Date.now() - began) / 60_000, heard };
}

const program = await connected();
const [ofProgram, ofView] = InMemoryTransport.createLinkedPair();
await new AppBridge(await connected(), { name: "program", version: "1" }, { serverTools: {} }).connect(ofProgram);
const view = new App({ name: "view", version: "1" }, {}, { autoResize: false });
await view.connect(ofView);
const [direct, bridged] = await Promise.all([
  outcome((...call) => program.callTool(...call)),
  outcome((...call) => view.callServerTool(...call)),
]);
console.log(JSON.stringify({ direct, bridged, tokens, closedEarly }));
const asBefore =
  direct.end === "the picture" && direct.heard > 20 && bridged.end.includes("timed out") && bridged.heard === 0 &&
  bridged.minutes > 0.9 && bridged.minutes < 1.15 && tokens === 2 && closedEarly === 1;
if (!asBefore) throw new Error("the bridge behaves otherwise");
console.log("seen: the bridge gave the view's call up after a minute, in spite of its timeout and of progress");
process.exit();
JS
node_modules/.bin/node check.mjs
