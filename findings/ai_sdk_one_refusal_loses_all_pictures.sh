#!/usr/bin/env bash
set -euo pipefail
# Packages: ai 6.0.326 and @ai-sdk/openai 3.0.141 (npm). Seen on 2026-11-28.
#
# Expectation: `generateImage` with n: 3 and a model that draws one picture per request splits the order into three
# requests. When one is refused, the caller gets the two pictures that were drawn, with a word about the third.
#
# Behaviour: it sends the three requests at once and throws the error of the one that failed. The pictures of the other
# two, finished and paid, are in no field of the error.
#
# Meaning for a server that returns pictures: parts of one order must be kept one by one as they come, and a refused
# part is told beside them. A host with this SDK that orders several pictures orders all of them again after a refusal,
# so equal requests within a short time should meet the pictures that are already there.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" ai@6.0.326 @ai-sdk/openai@3.0.141 > /dev/null

cat > "$folder/check.mjs" <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { createOpenAI } from '@ai-sdk/openai';
import { generateImage } from 'ai';

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const REFUSED = { message: 'Refused by policy.', type: 'invalid_request_error', code: 'moderation_blocked' };
let refusals = 0;
let asked = 0;
let drawn = 0;
const service = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    asked += 1;
    const refuse = asked === 3 && refusals > 0;
    drawn += refuse ? 0 : 1;
    const answer = refuse ? { error: REFUSED } : { created: 1, data: [{ b64_json: PICTURE }] };
    response.writeHead(refuse ? 400 : 200, { 'content-type': 'application/json' });
    // The refusal comes last, when the other pictures have long arrived.
    setTimeout(() => response.end(JSON.stringify(answer)), refuse ? 500 : 0);
  });
});
await new Promise((ready) => service.listen(0, '127.0.0.1', ready));
const openai = createOpenAI({ apiKey: 'any', baseURL: `http://127.0.0.1:${service.address().port}/v1` });
const order = { model: openai.image('dall-e-3'), prompt: 'a red fox', n: 3 };

const { images } = await generateImage(order);
console.log(`none refused: asked ${asked} times, ${images.length} pictures for the caller`);
assert.deepStrictEqual([asked, images.length], [3, 3]);

refusals = 1;
asked = drawn = 0;
const error = await generateImage(order).then(() => null, (thrown) => thrown);
service.close();
assert(error, 'the pictures are returned now');
const kept = [error, ...Object.values(error)].some((part) => JSON.stringify(part)?.includes(PICTURE));
console.log(`one refused: asked ${asked} times, ${drawn} drawn, thrown: ${error.message} Pictures in the error: ${kept}`);
assert.deepStrictEqual([asked, drawn, kept], [3, 2, false]);
console.log('seen: one refusal among three requests loses the two pictures that were drawn');
JS
timeout 60 node "$folder/check.mjs"
