// Mastra: its agent with its MCP client.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const packages = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(packages.resolve(name)));

const [modelUrl, easelUrl] = process.argv.slice(2);
const { Agent } = await load("@mastra/core/agent");
const { MCPClient } = await load("@mastra/mcp");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");

const client = new MCPClient({ servers: { easel: { url: new URL(easelUrl) } } });
const model = createOpenAICompatible({ name: "model", baseURL: `${modelUrl}/v1`, apiKey: "x" })("model");
const agent = new Agent({ id: "painter", name: "painter", instructions: "You draw.", model, tools: await client.listTools() });
const { text } = await agent.generate("Draw a red fox.", { maxSteps: 5 });
console.log(text);
await client.disconnect();
