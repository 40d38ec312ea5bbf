// The steps that a TypeScript client takes, as walk.py has them for the Python ones: a line a step,
// `<step>\t<ok, FAIL or skip>\t<why>`. `talk` is what client_typescript_1.mjs and client_typescript_2.mjs make.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

export const WATCHED = "test://watched-resource";
export const ROOT = "file:///pictures";
const STEP_MS = 30_000;
const GIVE_UP_MS = 2_500;
const ANSWERS = { string: "Ada", boolean: true, integer: 7, number: 7.5 };

/** What the person fills in: something of the right type everywhere. */
export function answerForm(schema) {
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, each]) => [name, ANSWERS[each.type]]));
}

export const text = (result) => result.content.filter((each) => each.type === "text").map((each) => each.text).join(" ");

const refused = (attempt, word) =>
  attempt.then(
    (result) => assert.fail(`was not refused: ${JSON.stringify(result)}`),
    (error) => assert.ok(`${error.message} ${JSON.stringify(error.data ?? null)}`.includes(word), `the error says ${error}`),
  );

const FIXTURE = {
  "list tools": async (talk) => {
    const names = (await talk.client.listTools()).tools.map((tool) => tool.name);
    for (const name of ["greet", "add", "json_schema_2020_12_tool"]) assert.ok(names.includes(name), name);
  },
  call: async (talk) => assert.equal(text(await talk.call("greet", { name: "Ada" })), "Hello, Ada!"),
  "failed call": async (talk) => assert.equal((await talk.call("test_error_handling")).isError, true),
  "unknown tool": (talk) => refused(talk.call("no_such_tool"), "no_such_tool"),
  "structured output": async (talk) =>
    assert.deepEqual((await talk.call("add", { a: 2, b: 3 })).structuredContent, { sum: 5 }),
  picture: async (talk) => assert.equal((await talk.call("test_image_content")).content[0].type, "image"),
  progress: async (talk) => {
    const told = [];
    await talk.call("test_tool_with_progress", {}, { onprogress: (each) => told.push(each.progress) });
    assert.deepEqual(told, [0, 50, 98]);
  },
  log: async (talk) => {
    talk.logged.length = 0;
    await talk.call("test_tool_with_logging", {}, {}, { "io.modelcontextprotocol/logLevel": "info" });
    assert.equal(talk.logged.length, 3);
  },
  cancel: async (talk) => {
    const key = randomUUID();
    const wish = new AbortController();
    const waiting = talk.call("wait", { key }, { signal: wish.signal, onprogress: () => wish.abort("enough") });
    await assert.rejects(waiting);
    while (text(await talk.call("was_cancelled", { key })) !== "yes") await sleep(50);
  },
  "ask the person": async (talk) =>
    assert.equal(text(await talk.call("test_input_required_result_elicitation")), "Hello, Ada!"),
  "ask the model": async (talk) => assert.match(text(await talk.call("test_input_required_result_sampling")), /Paris/),
  "ask for roots": async (talk) =>
    assert.equal(text(await talk.call("test_input_required_result_list_roots")), "1 roots"),
  "ask twice": async (talk) =>
    assert.equal(text(await talk.call("test_input_required_result_multi_round")), "{'name': 'Ada'} {'color': 'Ada'}"),
  "list resources": async (talk) =>
    assert.ok((await talk.client.listResources()).resources.some((each) => each.uri === WATCHED)),
  "read resource": async (talk) =>
    assert.match((await talk.client.readResource({ uri: "test://static-text" })).contents[0].text, /static text/),
  template: async (talk) => {
    const listed = (await talk.client.listResourceTemplates()).resourceTemplates.map((each) => each.uriTemplate);
    assert.deepEqual(listed, ["test://template/{id}/data"]);
    assert.match((await talk.client.readResource({ uri: "test://template/42/data" })).contents[0].text, /Data of 42/);
  },
  "missing resource": (talk) => refused(talk.client.readResource({ uri: "test://no-such-resource" }), "no-such-resource"),
  subscribe: (talk) => talk.watchResource(WATCHED, () => talk.call("touch")),
  "list prompts": async (talk) =>
    assert.ok((await talk.client.listPrompts()).prompts.some((each) => each.name === "test_prompt_with_arguments")),
  "get prompt": async (talk) => {
    const asked = { name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } };
    assert.equal((await talk.client.getPrompt(asked)).messages[0].content.text, "arg1=a arg2=b");
  },
  complete: async (talk) => {
    const ref = { type: "ref/prompt", name: "test_prompt_with_arguments" };
    const found = await talk.client.complete({ ref, argument: { name: "arg1", value: "testi" } });
    assert.deepEqual(found.completion.values, ["testing"]);
  },
  "change notice": (talk) => talk.watchTools(() => talk.call("test_trigger_tool_change")),
};

const SERVICE = {
  "list tools": async (talk) => {
    const names = (await talk.client.listTools()).tools.map((tool) => tool.name);
    for (const name of ["generate", "history", "cache"]) assert.ok(names.includes(name), name);
  },
  generate: async (talk) => {
    const told = [];
    const made = await talk.call("generate", { prompt: "a red fox in snow" }, { onprogress: (each) => told.push(each) });
    assert.ok(!made.isError, text(made));
    assert.ok(made.content.some((each) => each.type === "image"), "no image content");
    assert.ok(told.length > 0, "no progress was told");
    const url = /https?:[^\s()]*\/mcp-cache\/[^\s()]+/.exec(text(made))[0];
    const picture = await fetch(url);
    assert.equal(picture.status, 200);
    assert.match(picture.headers.get("content-type"), /^image\//);
  },
  "structured output": async (talk) => assert.ok((await talk.call("cache")).structuredContent.done >= 1),
  history: async (talk) => assert.match(text(await talk.call("history", { limit: 1 })), /red fox/),
  "wrong arguments": async (talk) => {
    const refusal = await talk.call("generate", { prompt: "" });
    assert.equal(refusal.isError, true);
    assert.match(text(refusal), /prompt/);
  },
};

const charges = async (prompt) => (await (await fetch(process.env.INTEROP_CHARGES)).json())[prompt] ?? 0;

const SLOW = {
  "give up, ask again": async (talk) => {
    const prompt = `a boat ${randomUUID()} [slow]`;
    await assert.rejects(talk.call("generate", { prompt }, { timeout: GIVE_UP_MS }));
    let made;
    do {
      made = await talk.call("generate", { prompt });
    } while (/Still being drawn/.test(text(made)));
    assert.ok(made.content.some((each) => each.type === "image"), text(made));
    assert.equal(await charges(prompt), 1);
  },
  "twice at once": async (talk) => {
    const prompt = `a boat ${randomUUID()} [slow]`;
    const made = await Promise.all([1, 2].map(() => talk.call("generate", { prompt })));
    for (const each of made) assert.deepEqual(each.content.map((block) => block.type), ["text", "image"]);
    assert.equal(new Set(made.map((each) => each.structuredContent.history_id)).size, 1);
    assert.equal(await charges(prompt), 1);
  },
};

const STEPS = { fixture: FIXTURE, service: SERVICE, slow: SLOW };

const say = (step, outcome, why = "") => console.log([step, outcome, String(why).replace(/[\n\t]+/g, " ")].join("\t"));

/** Wait for `news` while `cause` is brought about. */
export async function heard(news, cause) {
  await cause();
  await news;
}

/** Connect by `make`, take every step, close; the exit status says whether all went well. */
export async function walk(make, what) {
  let failed = false;
  try {
    const talk = await make();
    say("connect", "ok", `revision ${talk.revision()}`);
    for (const [name, step] of Object.entries(STEPS[what])) {
      const limit = new AbortController();
      const late = sleep(STEP_MS, undefined, { signal: limit.signal }).then(() => assert.fail("took too long"));
      try {
        await Promise.race([step(talk), late]);
        say(name, "ok");
      } catch (error) {
        failed = true;
        say(name, "FAIL", error?.message ?? error);
      }
      late.catch(() => {});
      limit.abort();
    }
    await talk.client.close();
  } catch (error) {
    failed = true;
    say("connect or close", "FAIL", error?.message ?? error);
  }
  process.exit(failed ? 1 : 0);
}
