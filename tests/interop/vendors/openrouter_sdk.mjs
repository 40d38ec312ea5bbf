// OpenRouter's own client of npm asks for pictures: by the Image API and by chat, whole and streamed, and what is refused.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are in the cache, not beside this file: INTEROP_MODULES says where.
const require = createRequire(`${process.env.INTEROP_MODULES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { OpenRouter } = await load("@openrouter/sdk");

const MODEL = "google/gemini-3.1-flash-image";
const STREAMING = "openai/gpt-image-2";
const PNG = "iVBORw0KGgo"; // the signature, as base64 begins with it

const client = new OpenRouter({
  serverURL: process.env.INTEROP_URL,
  apiKey: process.env.INTEROP_KEY,
  retryConfig: { strategy: "none" }, // by itself it sends a paid request again for an hour, after each 5xx
});

const draw = (fields) => client.images.generate({ imageGenerationRequest: { model: MODEL, prompt: "a boat", ...fields } });
const chat = (fields) =>
  client.chat.send({
    chatRequest: { model: MODEL, messages: [{ role: "user", content: "a boat" }], modalities: ["image", "text"], ...fields },
  });
const all = async (events) => {
  const read = [];
  for await (const event of events) read.push(event);
  return read;
};
const refused = (fields, kind, look = () => {}) =>
  draw(fields).then(
    () => assert.fail("it was taken"),
    (error) => {
      assert.equal(error.name, kind);
      look(error);
    },
  );

const STEPS = {
  image: async () => {
    const inputReferences = [{ type: "image_url", imageUrl: { url: `data:image/png;base64,${PNG}=` } }];
    const answer = await draw({ prompt: "a boat [compared]", stream: true, aspectRatio: "16:9", resolution: "2K", seed: 7, inputReferences });
    assert.ok(answer.data[0].b64Json.startsWith(PNG));
    assert.ok(answer.usage.cost > 0);
  },
  "several images": async () => assert.equal((await draw({ model: "bytedance-seed/seedream-4.5", n: 2 })).data.length, 2),
  "streamed image": async () => {
    const events = await all(await draw({ model: STREAMING, stream: true }));
    assert.deepEqual([...new Set(events.map((each) => each.type))], ["image_generation.partial_image", "image_generation.completed"]);
    assert.ok(events.at(-1).b64Json.startsWith(PNG));
    assert.ok(events.at(-1).usage.cost > 0);
  },
  "a model that does not stream": async () =>
    assert.ok((await draw({ model: "bytedance-seed/seedream-4.5", stream: true })).data[0].b64Json.startsWith(PNG)),
  chat: async () => {
    const answer = await chat({});
    assert.ok(answer.choices[0].message.images[0].imageUrl.url.startsWith(`data:image/png;base64,${PNG}`));
    assert.ok(answer.usage.cost > 0);
  },
  "streamed chat": async () => assert.ok((await all(await chat({ stream: true }))).at(-1).usage.cost > 0),
  models: async () => {
    const [first] = await all(await client.models.list({ outputModalities: "image" }));
    const listed = first.result?.data ?? first.data;
    assert.ok(listed.some((each) => each.id === MODEL));
    assert.ok(listed.every((each) => each.architecture.outputModalities.includes("image")));
  },
  moderation: () =>
    refused({ prompt: "a boat [moderation]" }, "ForbiddenResponseError", (error) =>
      assert.deepEqual(error.error.metadata.reasons, ["violence"]),
    ),
  credits: () => refused({ prompt: "a boat [credits]" }, "PaymentRequiredResponseError"),
  rate: () =>
    refused({ prompt: "a boat [rate]" }, "TooManyRequestsResponseError", (error) =>
      assert.equal(error.headers.get("retry-after"), "7"),
    ),
  "no maker": () => refused({ prompt: "a boat [no-provider]" }, "OpenRouterDefaultError"),
  "error in 200": () => refused({ prompt: "a boat [error-in-200]" }, "ResponseValidationError"),
  "unknown model": () => refused({ model: "acme/nothing" }, "BadRequestResponseError"),
};

for (const [step, take] of Object.entries(STEPS)) {
  try {
    await take();
    console.log(`${step}\tok\t`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`${step}\tFAIL\t${String(error).replace(/\s+/g, " ").slice(0, 600)}`);
  }
}
