/**
 * What a view shows of the result of a tool. The server puts it into `_meta`; of a host that drops that, the structured
 * content is read, and else the text, whose markdown lines name the pictures.
 */
import { refusalText } from "./server_texts.js";
import { currentLanguage, word } from "./words.js";

const VIEW = "easel/view";
const REFUSAL = "easel/refusal";
const MARKDOWN = /!\[([^\]]*)\]\((https?:\/\/[^\s)]+)\)/g;

/** Either `{jobs, list}` or `{text}` where there is nothing to be seen. */
export function shownBy(result) {
  const view = result._meta && result._meta[VIEW];
  if (view && Array.isArray(view.jobs) && (view.jobs.length || view.list)) return view;
  const jobs = fromStructured(result.structuredContent) || fromText(result);
  return jobs.length ? { jobs, list: jobs.length > 1 ? {} : undefined } : { text: textOf(result) };
}

export function textOf(result) {
  return (result.content || []).filter((each) => each.type === "text").map((each) => each.text).join("\n");
}

/** Why a call failed: a sentence of ours. What the server itself said, in English, stands below it. */
export function sayOf(result) {
  const refusal = result._meta && result._meta[REFUSAL];
  if (!refusal || currentLanguage() === "en") return word("app_refused");
  const message = textOf(result);
  const [, field = ""] = /`(\w+)`/.exec(message) || [];
  return refusalText({ kind: refusal.kind, field, message });
}

function fromStructured(structured) {
  const entries = structured && (structured.entries || (structured.images && [structured]));
  if (!entries || !entries.length || !entries.every((each) => each.history_id && each.images)) return null;
  return entries.map((each) => jobOf(each, each.images.map((image, index) => ({ ...image, picture: index + 1, kept: image.kept !== false }))));
}

function fromText(result) {
  const text = textOf(result);
  const image = (result.content || []).find((each) => each.type === "image");
  const data = image ? `data:${image.mimeType};base64,${image.data}` : undefined;
  const pictures = Array.from(text.matchAll(MARKDOWN), ([, , url], index) => ({ picture: index + 1, url, kept: true, data: index ? undefined : data }));
  const [, id = 0] = /history_id:? (\d+)/.exec(text) || [];
  const [, prompt = ""] = text.match(/!\[([^\]]*)\]/) || [];
  if (!pictures.length && data) pictures.push({ picture: 1, url: "", kept: true, data });
  return pictures.length ? [jobOf({ history_id: Number(id), state: "done", prompt }, pictures)] : [];
}

function jobOf(entry, pictures) {
  const { kind, reason } = entry.failure || {};
  return { state: "done", model: "", prompt: "", parameters: {}, parents: [], count: pictures.length, ...entry, failure: reason, failure_kind: kind, pictures };
}
