/**
 * The small pieces that every page is made of: icons, buttons, a question, a notice. The view library is `htmPreact`,
 * which stands before all modules.
 */
import { word } from "./words.js";

export const { html, render, useState, useEffect, useLayoutEffect, useMemo, useRef } = globalThis.htmPreact;

/** Lines of 24 × 24, drawn for this page. */
const ICONS = {
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  download: "M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M5 20h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  again: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  change: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  select: "M4 4h16v16H4zM8 12l3 3 5-6",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9a.5.5 0 1 0 0 .01",
  stop: "M6 6h12v12H6z",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.5",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  grid: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  menu: "M5 7h14M5 12h14M5 17h14",
  filter: "M4 6h16M7 12h10M10 18h4",
  cloud: "M4 4l16 16M8 7a6 6 0 0 1 9 4 4 4 0 0 1 2.500 6M17 18H7a4 4 0 0 1-1-7.900",
  brush: "M20 4L10 14M9 13c2 0 3 1 3 3 0 3-3 4-7 4 1-1 1-2 1-3.500C6 14 7 13 9 13z",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${ICONS[name]} /></svg>`;
}

/** A button with an icon, with words beside it or only in its name. */
export function Button({ icon, label, text = "", kind = "", onclick, pressed, disabled = false, id, expanded }) {
  return html`<button type="button" id=${id} class=${`button ${kind} ${text ? "" : "bare"}`} title=${text ? undefined : label} aria-label=${text && (!label || label === text) ? undefined : label} aria-pressed=${pressed === undefined ? undefined : String(pressed)} aria-expanded=${expanded === undefined ? undefined : String(expanded)} disabled=${disabled} onclick=${onclick}>
    ${icon && html`<${Icon} name=${icon} />`}${text && html`<span>${text}</span>`}
  </button>`;
}

/** A link that looks like a button. */
export function ButtonLink({ icon, label, text = "", href, download, kind = "" }) {
  return html`<a class=${`button ${kind} ${text ? "" : "bare"}`} href=${href} download=${download} title=${text ? undefined : label} aria-label=${text ? undefined : label}>
    ${icon && html`<${Icon} name=${icon} />`}${text && html`<span>${text}</span>`}
  </a>`;
}

/** A select with its name above it. */
export function Choice({ id, label, value, values, onchange, problem = "", hint = "" }) {
  const described = [problem && `${id}-problem`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} aria-invalid=${problem ? "true" : undefined} aria-describedby=${described || undefined} onchange=${(event) => onchange(event.target.value)}>
      ${values.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}
    </select>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <${Problem} id=${`${id}-problem`} text=${problem} />
  </div>`;
}

export function Problem({ id, text }) {
  return text ? html`<p class="problem" id=${id} role="alert">${text}</p>` : null;
}

/** A question that has to be answered before anything else; Escape is no. */
export function Question({ title, text, yes, danger = false, onanswer }) {
  const dialog = useRef(null);
  useLayoutEffect(() => dialog.current.showModal(), []); // at once: the next key is for it
  const answer = (value) => { dialog.current.close(); onanswer(value); };
  return html`<dialog ref=${dialog} class="question" aria-labelledby="question-title" aria-describedby="question-text" oncancel=${(event) => { event.preventDefault(); answer(false); }}>
    <h2 id="question-title">${title}</h2>
    <p id="question-text">${text}</p>
    <div class="actions">
      <button type="button" class="button plain" autofocus onclick=${() => answer(false)}>${word("cancel")}</button>
      <button type="button" id="yes" class=${`button ${danger ? "danger" : "primary"}`} onclick=${() => answer(true)}>${yes}</button>
    </div>
  </dialog>`;
}

/** A state of the page that is no list of pictures: an icon, a sentence, a way on. */
export function Blank({ icon, title, text, children, role }) {
  return html`<div class="blank" role=${role}>
    <${Icon} name=${icon} />
    <h2>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${children && html`<div class="actions">${children}</div>`}
  </div>`;
}

/** Write text to the clipboard, also where a page without TLS may not. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
