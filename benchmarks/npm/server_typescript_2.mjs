// The official TypeScript SDK, version 2: a handler of both eras, as its own documentation has it.
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { addTool, port } from "./work.mjs";

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "typescript", version: "1" });
  addTool(server);
  return server;
});

createServer(toNodeHandler(handler)).listen(port, "127.0.0.1");
