// The official TypeScript SDK, version 1: sessions, a server for each, as its own documentation has it.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { addTool, port } from "./work.mjs";

const transports = new Map();

async function open() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => transports.set(id, transport),
  });
  const server = new McpServer({ name: "typescript", version: "1" });
  addTool(server);
  await server.connect(transport);
  return transport;
}

createServer(async (request, response) => {
  const transport = transports.get(request.headers["mcp-session-id"]) ?? (await open());
  await transport.handleRequest(request, response);
}).listen(port, "127.0.0.1");
