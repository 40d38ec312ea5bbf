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
  reference.sent = api.send(file).then(
    (answer) => Object.assign(reference, { state: "ready", url: answer.url }),
    (error) => Object.assign(reference, { state: "failed", problem: explain(error) }),
  ).finally(redraw);
  return reference;
}

export function letGo(reference) {
  if (reference.file) URL.revokeObjectURL(reference.shown);
}

/**
 * The arguments that name the references. The first earlier picture is named by its number, all others by address. A mask
 * is for the first of all.
 */
export function argumentsFor(references) {
  const masked = references.find((each) => each.mask);
  const first = masked ? masked.job && masked : references.find((each) => each.job);
  const others = references.filter((each) => each !== first).sort((one, other) => (other === masked) - (one === masked));
  return {
    ...(first ? { history_id: first.job.history_id, picture: first.picture.picture } : {}),
    ...(others.length ? { image_url: others.map((each) => each.url) } : {}),
    ...(masked ? { mask: masked.mask.url } : {}),
  };
}

/** Send the mask of a reference, or take it away. One reference at a time has one. */
export function putMask(references, reference, file, redraw) {
  for (const each of references) each.mask = undefined;
  if (!file) return;
  const mask = { url: "", state: "sending", problem: "" };
  reference.mask = mask;
  mask.sent = api.send(file).then(
    (answer) => Object.assign(mask, { state: "ready", url: answer.url }),
    (error) => Object.assign(mask, { state: "failed", problem: explain(error) }),
  ).finally(redraw);
}

export function ReferenceList({ references, onremove, onmark }) {
  if (!references.length) return null;
  return html`<ul class="references" aria-label=${word("references")}>
    ${references.map((each) => html`<li key=${each.id} class=${each.state}>
      <img src=${each.shown} alt=${each.name} width="72" height="72" />
      ${each.state === "sending" && html`<span class="note" role="status">${word("sending")}</span>`}
      ${onmark && each.state !== "failed" && html`<button type="button" class="mark-part" aria-pressed=${String(Boolean(each.mask))} onclick=${() => onmark(each)}><${Icon} name="brush" /><span>${word(each.mask ? "mask_marked" : "mask_mark")}</span></button>`}
      ${each.mask?.problem && html`<span class="problem" role="alert">${each.mask.problem}</span>`}
      ${each.state === "failed" && html`<span class="problem" role="alert">${each.problem}</span>`}
      <button type="button" class="take-away" aria-label=${word("take_away", { name: each.name })} title=${word("take_away", { name: each.name })} onclick=${() => onremove(each)}><${Icon} name="close" /></button>
    </li>`)}
  </ul>`;
}
