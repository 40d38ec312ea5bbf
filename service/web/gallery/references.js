/** The pictures that a new one starts from: earlier ones, and files that are sent as soon as they are chosen. */
import { api } from "./api.js";
import { explain } from "./store.js";
import { altOf, sourceOf } from "./values.js";
import { html, Icon } from "./view.js";
import { bytes, word } from "./words.js";

let last = 0;

/** An earlier picture as a reference. */
export function ofPicture(job, picture) {
  return { id: (last += 1), job, picture, url: picture.url, shown: sourceOf(picture, 160), name: altOf(job), state: "ready" };
}

/** A file as a reference; `redraw` is called as its sending goes on. */
export function ofFile(file, upload, redraw) {
  const reference = { id: (last += 1), file, shown: URL.createObjectURL(file), name: file.name || word("pasted"), state: "sending", url: "", problem: "" };
  if (upload?.bytes && file.size > upload.bytes) {
    Object.assign(reference, { state: "failed", problem: word("too_large", { size: bytes(upload.bytes) }) });
    return reference;
  }
  api.send(file).then(
    (answer) => Object.assign(reference, { state: "ready", url: answer.url }),
    (error) => Object.assign(reference, { state: "failed", problem: explain(error) }),
  ).finally(redraw);
  return reference;
}

export function letGo(reference) {
  if (reference.file) URL.revokeObjectURL(reference.shown);
}

/** The arguments that name the references. The first earlier picture is named by its number, all others by address. */
export function argumentsFor(references) {
  const first = references.find((each) => each.job);
  const others = references.filter((each) => each !== first).map((each) => each.url);
  return {
    ...(first ? { history_id: first.job.history_id, picture: first.picture.picture } : {}),
    ...(others.length ? { image_url: others } : {}),
  };
}

export function ReferenceList({ references, onremove }) {
  if (!references.length) return null;
  return html`<ul class="references" aria-label=${word("references")}>
    ${references.map((each) => html`<li key=${each.id} class=${each.state}>
      <img src=${each.shown} alt=${each.name} width="72" height="72" />
      ${each.state === "sending" && html`<span class="note" role="status">${word("sending")}</span>`}
      ${each.state === "failed" && html`<span class="problem" role="alert">${each.problem}</span>`}
      <button type="button" class="take-away" aria-label=${word("take_away", { name: each.name })} title=${word("take_away", { name: each.name })} onclick=${() => onremove(each)}><${Icon} name="close" /></button>
    </li>`)}
  </ul>`;
}
