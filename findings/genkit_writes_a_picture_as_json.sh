#!/usr/bin/env bash
set -euo pipefail
# Packages: genkit 1.42.0 and @genkit-ai/mcp 1.42.0 (npm). Seen on 2026-11-29.
#
# Expectation: a tool's result that holds a text and a picture reaches the model as both: Genkit has media parts, and its
# models with eyes take them in the answer of a tool.
#
# Behaviour: without the option `multipart` there is no media part. A result with a picture reaches the model as the JSON
# of the result, all the base64 in it: tokens by the ten thousand, and nothing to be seen. With `structuredContent` beside
# it the base64 is gone, and so are the picture and the text. With `multipart: true`, which is off when left out, the
# model gets the text and the picture.
#
# Meaning for a server that returns pictures: the size of the preview is what such a chat costs, for each picture and
# again with each turn after it, and no answer tells the server so. Keep previews to some ten kilobytes unless the client is
# known to show them, name the picture by a short URL in the text, and say all that matters in the structured content too.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" genkit@1.42.0 @genkit-ai/mcp@1.42.0 > /dev/null

cat > "$folder/server.mjs" <<'JS'
import readline from 'node:readline';

const text = { type: 'text', text: 'history_id: 7' };
const image = { type: 'image', data: Buffer.alloc(30_000, 7).toString('base64'), mimeType: 'image/png' };
const results = {
  plain: { content: [text, image] },
  structured: { content: [text, image], structuredContent: { state: 'done' } },
};
const properties = { kind: { type: 'string' } };
const inputSchema = { type: 'object', properties, required: ['kind'] };
const answers = {
  initialize: () => ({
    protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'pictures', version: '1' },
  }),
  'tools/list': () => ({ tools: [{ name: 'draw', description: 'Draw a picture.', inputSchema }] }),
  'tools/call': ({ arguments: { kind } }) => results[kind],
};
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const known = answers[method];
  const outcome = known ? { result: known(params) } : { error: { code: -32601, message: 'Method not found' } };
  console.log(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }));
}
JS
cat > "$folder/check.mjs" <<'JS'
import assert from 'node:assert';
import { createMcpClient } from '@genkit-ai/mcp';
import { genkit } from 'genkit';

const mcpServer = { command: process.execPath, args: [new URL('server.mjs', import.meta.url).pathname] };

async function told(kind, options) {
  const ai = genkit({});
  const client = createMcpClient({ name: 'pictures', mcpServer, ...options });
  await client.ready();
  let heard;
  ai.defineModel({ name: 'fake', supports: { tools: true } }, async ({ messages, tools }) => {
    const last = messages.at(-1);
    const call = { name: tools?.[0]?.name, ref: '1', input: { kind } };
    if (last.role !== 'tool') return { message: { role: 'model', content: [{ toolRequest: call }] } };
    heard = last.content;
    return { message: { role: 'model', content: [{ text: 'Here it is.' }] } };
  });
  await ai.generate({ model: 'fake', prompt: 'Draw a fox.', tools: await client.getActiveTools(ai) });
  await client.disable();
  const [{ toolResponse }] = heard;
  return {
    base64: JSON.stringify(toolResponse.output ?? '').includes('BwcHBwcH'),
    media: (toolResponse.content ?? []).some((part) => part.media),
    text: JSON.stringify(toolResponse).includes('history_id: 7'),
    bytes: JSON.stringify(toolResponse.output ?? '').length,
  };
}

const seen = {
  plain: await told('plain', {}),
  structured: await told('structured', {}),
  multipart: await told('plain', { multipart: true }),
};
console.log(seen);
const { bytes, ...plain } = seen.plain;
assert.deepStrictEqual(plain, { base64: true, media: false, text: true });
assert.ok(bytes > 40_000);
assert.deepStrictEqual(seen.structured, { base64: false, media: false, text: false, bytes: seen.structured.bytes });
assert.deepStrictEqual(seen.multipart, { base64: false, media: true, text: true, bytes: seen.multipart.bytes });
console.log('seen: without `multipart`, Genkit gives its model a picture as JSON with base64, and no media part');
process.exit(0);
JS
node "$folder/check.mjs"
