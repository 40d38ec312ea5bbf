// Google's own client of npm draws by the Gemini API: whole and streamed, with references, refused and failing.
// A line a step: `<step>\t<ok or FAIL>\t<why>`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are in the cache, not beside this file: INTEROP_MODULES says where.
const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const { GoogleGenAI, ApiError } = await import(pathToFileURL(require.resolve("@google/genai")));

const MODEL = "gemini-3.1-flash-image";
const COMPARED = "three of them [compared]";
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
const picture = { inlineData: { mimeType: "image/png", data: PNG } };
const made = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: process.env.INTEROP_URL } });
const { models, chats } = made(process.env.INTEROP_KEY);

const config = (imageConfig, thinks = false) => ({
  responseModalities: ["TEXT", "IMAGE"],
  ...(imageConfig ? { imageConfig } : {}),
  ...(thinks ? { thinkingConfig: { includeThoughts: true } } : {}),
});
const drawn = (parts, thought = false) => parts.filter((part) => part.inlineData && Boolean(part.thought) === thought);
const partsOf = (answer) => answer.candidates?.[0]?.content?.parts ?? [];
const refused = (attempt, status, word) =>
  assert.rejects(attempt, (error) => {
    assert.ok(error instanceof ApiError, `${error}`);
    assert.equal(error.status, status);
    assert.ok(error.message.includes(word), error.message);
    return true;
  });
const ask = (contents, more = {}) => models.generateContent({ model: MODEL, contents, config: config(), ...more });
const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
};

const STEPS = {
  whole: async () => {
    const answer = await ask("a boat", { config: config({ aspectRatio: "8:1", imageSize: "512" }) });
    const [part] = drawn(partsOf(answer));
    const bytes = Buffer.from(part.inlineData.data, "base64");
    const ratio = bytes.readUInt32BE(16) / bytes.readUInt32BE(20);
    assert.ok(ratio > 7 && ratio < 9, `${ratio}`);
    assert.equal(answer.candidates[0].finishReason, "STOP");
    assert.equal(answer.usageMetadata.candidatesTokenCount, 1120);
  },
  "stream with thoughts": async () => {
    const chunks = await collect(
      models.generateContentStream({ model: MODEL, contents: "a boat", config: config(null, true) }),
    );
    const parts = chunks.flatMap(partsOf);
    assert.ok(parts.some((part) => part.thought && part.text));
    assert.deepEqual([drawn(parts, true).length, drawn(parts).length], [1, 1]);
    assert.equal(chunks.at(-1).usageMetadata.thoughtsTokenCount, 240);
  },
  references: async () => {
    const asked = config({ aspectRatio: "16:9", imageSize: "2K" }, true);
    const contents = [COMPARED, picture, picture, picture];
    const chunks = await collect(models.generateContentStream({ model: MODEL, contents, config: asked }));
    assert.equal(drawn(chunks.flatMap(partsOf)).length, 1);
  },
  conversation: async () => {
    const chat = chats.create({ model: MODEL });
    const first = await chat.sendMessage({ message: "a boat" });
    assert.ok(partsOf(first)[0].thoughtSignature);
    assert.equal(drawn(partsOf(await chat.sendMessage({ message: "in fog" }))).length, 1);
  },
  "wrong key": () =>
    refused(made("AIzaWrong").models.generateContent({ model: MODEL, contents: "a boat" }), 400, "API_KEY_INVALID"),
  "unknown model": () => refused(ask("a boat", { model: "gemini-9-image" }), 404, "NOT_FOUND"),
  "wrong shape": () => refused(ask("a boat", { config: config({ aspectRatio: "7:3" }) }), 400, "aspect_ratio"),
  "wrong size": () => refused(ask("a boat", { config: config({ imageSize: "512px" }) }), 400, "image_size"),
  "too many pictures": () => refused(ask(["a boat", ...Array(15).fill(picture)]), 400, "up to 14"),
  rate: () => refused(ask("a boat [rate]"), 429, '"retryDelay":"7s"'),
  quota: () => refused(ask("a boat [quota]"), 429, "PerDay"),
  overloaded: () => refused(ask("a boat [overloaded]"), 503, "overloaded"),
  "held back": async () => {
    const answer = await ask("a boat [image-safety]");
    assert.equal(answer.candidates[0].finishReason, "IMAGE_SAFETY");
    assert.equal(drawn(partsOf(answer)).length, 0);
  },
  "blocked prompt": async () => {
    const answer = await ask("a boat [blocked]");
    assert.equal(answer.promptFeedback.blockReason, "PROHIBITED_CONTENT");
    assert.equal(answer.candidates, undefined);
  },
  "error within a stream": async () => {
    const contents = "a boat [error-mid-stream]";
    const asked = config(null, true);
    await refused(collect(models.generateContentStream({ model: MODEL, contents, config: asked })), 503, "overloaded");
  },
  "list of models": async () => {
    const names = {};
    for await (const model of await models.list({ config: { pageSize: 3 } })) names[model.name] = model.supportedActions;
    assert.ok(names[`models/${MODEL}`].includes("generateContent"));
    assert.ok(names["models/imagen-5-image"].includes("predict"));
    assert.equal((await models.get({ model: MODEL })).name, `models/${MODEL}`);
  },
};

let failed = false;
for (const [step, run] of Object.entries(STEPS)) {
  try {
    await run();
    console.log(`${step}\tok\t`);
  } catch (error) {
    failed = true;
    console.log(`${step}\tFAIL\t${`${error}`.replace(/\s+/g, " ").slice(0, 600)}`);
  }
}
process.exitCode = Number(failed);
