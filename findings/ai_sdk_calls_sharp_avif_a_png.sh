#!/usr/bin/env bash
set -euo pipefail
# Packages: ai 6.0.326, @ai-sdk/openai 3.0.141, sharp 0.35.5 (npm), and Pillow 12.0.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: `generateImage` knows AVIF (it has a signature for it), so it names the media type of any AVIF picture
# `image/avif`.
#
# Behaviour: its signature includes the length of the first box, and only 32 bytes is right. Pillow writes a first box
# of 32 bytes, so its AVIF is `image/avif`. sharp writes one of 28 bytes (one brand fewer), and the same kind of picture
# is named `image/png`, as is anything else the SDK does not know. No warning says that this is a guess.
#
# Meaning for a server that returns pictures: the media type that an AI SDK program passes on is a guess, so sniff the
# bytes of each reference picture and believe no label. An own AVIF sniffer must read the brands behind `ftyp` and
# leave the length of the box open. PNG, JPEG or WebP is the safe kind to hand to such hosts.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check pillow==12.0.0
npm install --silent --no-audit --no-fund --prefix "$folder" ai@6.0.326 @ai-sdk/openai@3.0.141 sharp@0.35.5 > /dev/null
"$folder/venv/bin/python" -c '
import sys
from PIL import Image
Image.new("RGB", (8, 8), "red").save(sys.argv[1])' "$folder/pillow.avif"

cat > "$folder/check.mjs" <<'JS'
import assert from 'node:assert';
import fs from 'node:fs';
import http from 'node:http';
import { createOpenAI } from '@ai-sdk/openai';
import { generateImage } from 'ai';
import sharp from 'sharp';

let picture;
const service = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ created: 1, data: [{ b64_json: picture.toString('base64') }] }));
  });
});
await new Promise((ready) => service.listen(0, '127.0.0.1', ready));
const openai = createOpenAI({ apiKey: 'any', baseURL: `http://127.0.0.1:${service.address().port}/v1` });

const red = { create: { width: 8, height: 8, channels: 3, background: 'red' } };
const pictures = {
  'AVIF by Pillow': fs.readFileSync(process.argv[2]),
  'AVIF by sharp': await sharp(red).avif().toBuffer(),
  'WebP by sharp': await sharp(red).webp().toBuffer(),
};
const named = {};
for (const [name, bytes] of Object.entries(pictures)) {
  picture = bytes;
  const { image } = await generateImage({ model: openai.image('gpt-image-1'), prompt: 'a red fox' });
  named[name] = image.mediaType;
  const box = bytes.toString('latin1', 4, 8) === 'ftyp' ? `, first box of ${bytes.readUInt32BE(0)} bytes` : '';
  console.log(`${name}${box}: ${image.mediaType}`);
}
service.close();
assert.deepStrictEqual(named, {
  'AVIF by Pillow': 'image/avif', 'AVIF by sharp': 'image/png', 'WebP by sharp': 'image/webp',
});
console.log('seen: the AVIF that sharp writes is named image/png, the AVIF that Pillow writes image/avif');
JS
timeout 60 node "$folder/check.mjs" "$folder/pillow.avif"
