// Vercel's AI SDK with its MCP client.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const packages = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(packages.resolve(name)));

const [modelUrl, easelUrl] = process.argv.slice(2);
const { createMCPClient } = await load("@ai-sdk/mcp");
const { createGoogleGenerativeAI } = await load("@ai-sdk/google");
const { generateText, stepCountIs } = await load("ai");

const client = await createMCPClient({ transport: { type: "http", url: easelUrl } });
const model = createGoogleGenerativeAI({ baseURL: `${modelUrl}/v1beta`, apiKey: "x" })("gemini-2.5-flash");
const { text } = await generateText({ model, tools: await client.tools(), stopWhen: stepCountIs(5), prompt: "Draw a red fox." });
console.log(text);
await client.close();
