// Convert a tool list by @ai-sdk/google, which Cherry Studio and opencode use: what it would send to Gemini.
// `convert.mjs TOOLS`: the JSON of `tools/list`. Prints a line: name, ok or FAIL, why.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.INTEROP_MODULES;
const require = createRequire(path.join(folder, "package.json"));
const { createGoogleGenerativeAI } = await import(pathToFileURL(require.resolve("@ai-sdk/google")));

const tools = JSON.parse(readFileSync(process.argv[2], "utf8"));
let body;
const fetch = async (_url, options) => {
  body = JSON.parse(options.body);
  const content = { parts: [{ text: "Hello" }], role: "model" };
  return new Response(JSON.stringify({ candidates: [{ content, finishReason: "STOP", index: 0 }] }), {
    headers: { "content-type": "application/json" },
  });
};

// Gemini: an array needs items, a schema one type, an object with members.
function problemOf(name, schema) {
  if (schema.anyOf || schema.oneOf || Array.isArray(schema.type)) return `${name} is a union`;
  if (typeof schema.type !== "string") return `${name} has no type`;
  if (schema.type === "array") return schema.items ? problemOf(`${name}[]`, schema.items) : `${name} has no items`;
  if (schema.type !== "object") return "";
  const members = Object.entries(schema.properties ?? {});
  if (!members.length) return `${name} has no members`;
  return members.map(([key, each]) => problemOf(`${name}.${key}`, each)).find(Boolean) ?? "";
}

let problem = "";
try {
  const model = createGoogleGenerativeAI({ apiKey: "none", fetch })("gemini-2.5-flash");
  await model.doGenerate({
    prompt: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
    tools: tools.map((tool) => ({
      type: "function",
      name: tool.name,
      description: tool.description,
      inputSchema: tool.inputSchema,
    })),
  });
  const declared = body.tools.flatMap((each) => each.functionDeclarations);
  if (declared.length !== tools.length) problem = `${declared.length} of ${tools.length} tools are declared`;
  for (const each of declared) {
    problem ||= problemOf(each.name, each.parameters);
    const listed = Object.keys(tools.find((tool) => tool.name === each.name).inputSchema.properties).sort();
    if (JSON.stringify(Object.keys(each.parameters.properties).sort()) !== JSON.stringify(listed))
      problem ||= `${each.name} lost a property`;
  }
} catch (error) {
  problem = `${error}`;
}
console.log(`@ai-sdk/google\t${problem ? "FAIL" : "ok"}\t${problem.replaceAll(/\s+/g, " ").slice(0, 300)}`);
