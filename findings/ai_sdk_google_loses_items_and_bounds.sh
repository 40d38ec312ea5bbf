#!/usr/bin/env bash
set -euo pipefail
# Packages: ai 6.0.326 and @ai-sdk/google 3.0.141 (npm). Seen on 2026-11-28.
#
# Expectation: an input schema that the SDK has to rewrite for Gemini keeps its meaning. A property of type
# ["string", "array"] with `items` becomes "a string, or an array of these items"; minimum, maximum and default stay,
# since Gemini's schema knows all three.
#
# Behaviour: the union becomes `anyOf` with a bare {"type": "array"}, and `items` is left outside, beside `anyOf`. Bounds
# and defaults are dropped without a word. The same property written as `anyOf` passes whole.
#
# Meaning for a server that returns pictures: list a reference picture's argument as one type or as `anyOf`, never as a
# list of types. Bounds such as "1 to 4 pictures" belong into the description as well, because the model of such a host
# never sees them in the schema, and the server must go on checking them.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" ai@6.0.326 @ai-sdk/google@3.0.141 > /dev/null

cat > "$folder/check.mjs" <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { generateText, jsonSchema, tool } from 'ai';

let asked;
const service = http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    asked = JSON.parse(body);
    const candidate = { content: { role: 'model', parts: [{ text: 'Hello.' }] }, finishReason: 'STOP' };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ candidates: [candidate] }));
  });
});
await new Promise((ready) => service.listen(0, '127.0.0.1', ready));
const baseURL = `http://127.0.0.1:${service.address().port}/v1beta`;
const google = createGoogleGenerativeAI({ apiKey: 'any', baseURL });

const list = { type: 'array', items: { type: 'string' } };
const inputSchema = jsonSchema({
  type: 'object',
  properties: {
    as_type_list: { type: ['string', 'array'], items: { type: 'string' } },
    as_any_of: { anyOf: [{ type: 'string' }, list] },
    count: { type: 'integer', minimum: 1, maximum: 4, default: 1 },
  },
});
await generateText({
  model: google('gemini-3.1-flash'),
  prompt: 'Say hello.',
  tools: { draw: tool({ description: 'Draw a picture.', inputSchema }) },
});
service.close();
const sent = asked.tools[0].functionDeclarations[0].parameters.properties;
for (const [name, schema] of Object.entries(sent)) console.log(`${name}: ${JSON.stringify(schema)}`);
assert.deepStrictEqual(sent.as_type_list.anyOf, [{ type: 'string' }, { type: 'array' }]);
assert.deepStrictEqual(sent.as_any_of.anyOf, [{ type: 'string' }, list]);
assert.deepStrictEqual(sent.count, { type: 'integer' });
console.log('seen: the array of a type list reaches Gemini without its items, and bounds and default are gone');
JS
timeout 60 node "$folder/check.mjs"
