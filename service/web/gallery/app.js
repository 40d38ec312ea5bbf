/**
 * The view in a chat: the picture that is drawn there, or the history as a grid. All it knows comes from the host; what
 * it asks for goes through the host too.
 */
import { currentLanguage, dress, speak, word } from "./words.js";
import { altOf, argumentsOf, cut, webAddress } from "./values.js";
import { Blank, Button, Icon, html, render, useEffect, useState } from "./view.js";
import { hostOf } from "./host.js";
import { shownBy, textOf } from "./shown.js";

const INLINE_HEIGHT = 500; // of a view in a chat, by the rules of hosts
const WAIT_S = 25; // hosts give a call up after a minute
const VARIATIONS = 100;
const TILE = 132;
const OURS = {
  "--color-text-primary": "--ink", "--color-text-secondary": "--soft", "--color-background-primary": "--sheet",
  "--color-background-secondary": "--hollow", "--color-border-primary": "--line", "--font-sans": "--type",
};

const seen = { phase: "waiting", prompt: "", job: null, picture: 1, list: null, problem: "", text: "", changing: false, busy: false, page: 0 };

const host = hostOf({
  "tool-input": ({ arguments: given }) => begun(given),
  "tool-input-partial": ({ arguments: given }) => begun(given),
  "tool-result": (result) => take(result),
  "tool-cancelled": () => show({ phase: "cancelled" }),
  "host-context-changed": () => dressed(),
});

function show(changes) {
  Object.assign(seen, changes);
  render(html`<${View} />`, document.getElementById("view"));
  told();
}

function dressed() {
  const { theme, locale = "", styles = {}, displayMode, safeAreaInsets = {} } = host.context;
  dress(theme === "dark" || theme === "light" ? theme : "");
  speak(!/^zh\b/i.test(locale) ? "en" : /hant|tw|hk|mo/i.test(locale) ? "zh-Hant" : "zh-Hans");
  const root = document.documentElement;
  for (const [theirs, ours] of Object.entries(OURS)) {
    const value = (styles.variables || {})[theirs];
    if (value) root.style.setProperty(ours, value);
    else root.style.removeProperty(ours);
  }
  root.dataset.mode = displayMode === "fullscreen" ? "fullscreen" : "inline";
  for (const side of ["top", "right", "bottom", "left"]) root.style.setProperty(`--${side}`, `${Number(safeAreaInsets[side]) || 0}px`);
  show({});
}

/** The height is told, for hosts that ask, and stands on the document, for those that measure it. */
function told() {
  const height = Math.ceil(document.getElementById("view").getBoundingClientRect().height);
  const inline = document.documentElement.dataset.mode !== "fullscreen";
  document.documentElement.style.height = inline ? `${Math.min(height, INLINE_HEIGHT)}px` : "";
  if (!seen.ready || height === told.last) return;
  told.last = height;
  host.tell("ui/notifications/size-changed", { width: document.documentElement.clientWidth, height: inline ? Math.min(height, INLINE_HEIGHT) : height });
}

function begun(given = {}) {
  if (seen.phase === "waiting" || seen.phase === "drawing") show({ phase: given.prompt || given.count ? "drawing" : "loading", prompt: String(given.prompt || "") });
}

/** Show the result of a call. */
function take(result) {
  const { jobs, list, text } = shownBy(result);
  const there = { busy: false, changing: false, problem: "", text: "" };
  if (list) return show({ ...there, phase: "list", page: 0, list: { ...list, jobs } });
  if (text !== undefined) return show({ ...there, phase: "text", text });
  show({ ...there, phase: "job", job: jobs[0], picture: 1 });
  if (jobs[0].state === "working") follow(jobs[0]);
  return undefined;
}

async function call(name, given) {
  const result = await host.ask("tools/call", { name, arguments: given });
  if (result.isError && !(result._meta && result._meta["easel/view"])) throw new Error(textOf(result));
  return result;
}

/** Wait for a picture that is still being drawn. */
async function follow(job) {
  while (host.capabilities.serverTools && seen.job === job && seen.phase === "job") {
    const began = Date.now();
    try {
      const result = await call("history", { history_id: job.history_id, wait_seconds: WAIT_S });
      if (seen.job !== job) return;
      const now = shownBy(result);
      if (now.jobs && now.jobs[0].state !== "working") return void take(result);
    } catch (error) {
      return void show({ problem: error.message });
    }
    await new Promise((done) => setTimeout(done, Math.max(0, 2000 - (Date.now() - began))));
  }
}

/** Have the server do something for the person, who goes on seeing what is there meanwhile. */
async function act(name, given, asWords) {
  if (seen.busy) return;
  if (!host.capabilities.serverTools) return void ask(asWords);
  show({ busy: true, problem: "", changing: false });
  try {
    const result = await call(name, given);
    take(result);
    if (name === "generate" && host.capabilities.updateModelContext) {
      await host.ask("ui/update-model-context", { content: (result.content || []).filter((each) => each.type === "text") }).catch(() => {});
    }
  } catch (error) {
    show({ busy: false, problem: error.message || word("went_wrong", { status: "" }) });
  }
}

async function ask(text) {
  try {
    await host.ask("ui/message", { role: "user", content: [{ type: "text", text }] });
    show({ changing: false });
  } catch (error) {
    show({ problem: error.message });
  }
}

function another(job) {
  const variation = 2 + Math.floor(Math.random() * (VARIATIONS - 1));
  const { seed, ...given } = argumentsOf(job);
  const [parent] = job.parents;
  const from = parent ? { history_id: parent.history_id, picture: parent.picture } : {};
  const anew = job.has_references && !parent ? { history_id: job.history_id, count: job.count } : { ...given, ...from };
  return act("generate", { ...anew, variation }, word("app_ask_another", { id: job.history_id }));
}

function change(job, picture, prompt) {
  return act("generate", { prompt, history_id: job.history_id, picture }, word("app_ask_change", { id: job.history_id, prompt }));
}

async function open(url) {
  try {
    const { isError } = await host.ask("ui/open-link", { url });
    if (isError) throw new Error("refused");
  } catch {
    show({ problem: word("app_open_yourself", { url }) });
  }
}

async function download(job, picture) {
  if (!host.capabilities.downloadFile) return open(picture.url);
  const name = `easel-${job.history_id}-${picture.picture}`;
  try {
    const { isError } = await host.ask("ui/download-file", { contents: [{ type: "resource_link", uri: picture.url, name, mimeType: picture.media_type }] });
    return isError ? open(picture.url) : undefined;
  } catch {
    return open(picture.url);
  }
}

async function resize() {
  const mode = host.context.displayMode === "fullscreen" ? "inline" : "fullscreen";
  try {
    const { mode: now } = await host.ask("ui/request-display-mode", { mode });
    host.context.displayMode = now || mode;
    dressed();
  } catch (error) {
    show({ problem: error.message });
  }
}

function browse(filters = {}, before = undefined) {
  return act("history_page", { ...filters, ...(before ? { before } : {}) }, "");
}

/** The small copy at once, the whole picture as soon as it is there; some hosts let no picture in from elsewhere. */
function Sight({ job, picture, className = "", small = false }) {
  const [state, setState] = useState({ url: "", failed: false });
  const url = webAddress(picture.url);
  useEffect(() => {
    if (small && picture.data) return undefined;
    let wanted = true;
    const whole = new Image();
    whole.onload = () => wanted && setState({ url, failed: false });
    whole.onerror = () => wanted && setState({ url: "", failed: true });
    if (url && picture.kept) whole.src = url;
    else setState({ url: "", failed: true });
    return () => { wanted = false; };
  }, [url]);
  const source = state.url === url && url ? url : picture.data;
  if (source) return html`<img class=${className} src=${source} alt=${altOf(job)} width=${picture.width || undefined} height=${picture.height || undefined} onload=${told} />`;
  return html`<div class=${`gone ${className}`} role="img" aria-label=${altOf(job)}><${Icon} name=${state.failed ? "cloud" : "picture"} />${state.failed && html`<span>${word("app_not_shown")}</span>`}</div>`;
}

function Drawing({ prompt, text }) {
  return html`<div class="drawing" role="status">
    <p>${text}</p>
    ${prompt && html`<p class="soft words">${cut(prompt, 300)}</p>`}
    <div class="progress"><span class="bar unknown"><span></span></span></div>
  </div>`;
}

/** No form: in the frame of a host without `allow-forms` the browser would not submit it. */
function Change({ job, picture }) {
  const [prompt, setPrompt] = useState("");
  const send = () => void (prompt.trim() && change(job, picture, prompt.trim()));
  const pressed = ({ key, isComposing }) => void (!isComposing && (key === "Enter" ? send() : key === "Escape" && show({ changing: false })));
  return html`<div class="change" role="group" aria-label=${word("app_change")}>
    <input id="change" aria-label=${word("prompt_change")} placeholder=${word("prompt_change")} value=${prompt} oninput=${(event) => setPrompt(event.target.value)} onkeydown=${pressed} ref=${(field) => field && field !== document.activeElement && field.focus({ preventScroll: true })} maxlength="8000" />
    <${Button} text=${word("draw")} kind="primary" disabled=${!prompt.trim()} onclick=${send} />
    <${Button} icon="close" label=${word("close")} kind="plain" onclick=${() => show({ changing: false })} />
  </div>`;
}

function Actions({ job, picture }) {
  const { serverTools, message } = host.capabilities;
  const acts = Boolean(serverTools || message) && job.history_id > 0;
  const wide = (host.context.availableDisplayModes || []).includes("fullscreen");
  if (seen.changing) return html`<${Change} job=${job} picture=${picture ? picture.picture : 1} />`;
  return html`<div class="actions">
    ${acts && html`<${Button} icon="again" text=${word("app_another")} kind="primary" disabled=${seen.busy} onclick=${() => another(job)} />`}
    ${acts && picture && picture.kept && html`<${Button} icon="change" text=${word("app_change")} disabled=${seen.busy} onclick=${() => show({ changing: true })} />`}
    <span class="spacer"></span>
    ${serverTools && html`<${Button} icon="grid" label=${word("app_all")} kind="plain" disabled=${seen.busy} onclick=${() => browse()} />`}
    ${picture && webAddress(picture.url) && html`<${Button} icon="open" label=${word("app_open")} kind="plain" onclick=${() => open(picture.url)} />
    <${Button} icon="download" label=${word("download")} kind="plain" onclick=${() => download(job, picture)} />`}
    ${wide && html`<${Button} icon="fit" label=${word(host.context.displayMode === "fullscreen" ? "app_small" : "app_full")} kind="plain" onclick=${resize} />`}
  </div>`;
}

function Job({ job }) {
  const picture = job.pictures.find((each) => each.picture === seen.picture) || job.pictures[0];
  return html`<article class="job" aria-busy=${String(seen.busy)}>
    ${picture && html`<${Sight} key=${picture.url} job=${job} picture=${picture} className="large" />`}
    ${job.state === "working" && html`<${Drawing} prompt=${picture ? "" : job.prompt} text=${word("app_drawing")} />`}
    ${job.failure && html`<p class="problem" role="alert">${job.failure}</p>`}
    ${job.pictures.length > 1 && html`<div class="strip" role="group" aria-label=${word("pictures")}>
      ${job.pictures.map((each) => html`<button type="button" class="small" aria-pressed=${String(each === picture)} aria-label=${word("picture_of", { n: each.picture, all: job.pictures.length })} onclick=${() => show({ picture: each.picture })}><${Sight} job=${job} picture=${each} small /></button>`)}
    </div>`}
    ${job.prompt && (picture || job.failure) && html`<p class="words soft" title=${job.prompt}>${cut(job.prompt, 300)}</p>`}
    ${seen.busy && html`<${Drawing} text=${word("app_busy")} />`}
    <${Actions} job=${job} picture=${picture} />
  </article>`;
}

/** As many tiles as fit into two rows, three on a phone; full screen shows them all. */
function fitting() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.dataset.mode === "fullscreen") return Infinity;
  return Math.max(2, Math.floor(width / TILE)) * (width < 480 ? 3 : 2);
}

function List({ list }) {
  const most = fitting();
  const start = most === Infinity ? 0 : seen.page * most;
  const tiles = list.jobs.slice(start, start + most);
  const more = start + most < list.jobs.length;
  const older = list.next_before && host.capabilities.serverTools;
  if (!list.jobs.length) return html`<${Blank} icon="picture" title=${word(Object.keys(list.filters || {}).length ? "nothing_found" : "empty_title")} />`;
  return html`<section class="list" aria-busy=${String(seen.busy)}>
    <div class="tiles">${tiles.map((job) => html`<button type="button" class="tile" key=${job.history_id} title=${altOf(job)} disabled=${seen.busy} onclick=${() => choose(job)}>
      ${job.pictures[0] ? html`<${Sight} job=${job} picture=${job.pictures[0]} small />` : html`<span class="gone"><${Icon} name=${job.failure ? "warning" : "picture"} /><span>${cut(job.failure || job.prompt, 60)}</span></span>`}
    </button>`)}</div>
    <div class="actions">
      <span class="soft">${word("app_total", { n: list.total || list.jobs.length })}</span><span class="spacer"></span>
      ${seen.page > 0 && html`<${Button} icon="back" text=${word("app_newer")} onclick=${() => show({ page: seen.page - 1 })} />`}
      ${seen.page === 0 && list.paged && html`<${Button} icon="back" text=${word("app_newest")} disabled=${seen.busy} onclick=${() => browse(list.filters)} />`}
      ${(more || older) && html`<${Button} icon="next" text=${word("app_older")} disabled=${seen.busy} onclick=${() => (more ? show({ page: seen.page + 1 }) : older_page(list))} />`}
    </div>
  </section>`;
}

async function older_page(list) {
  await browse(list.filters, list.next_before);
  if (seen.list && seen.list !== list) show({ list: { ...seen.list, paged: true } });
}

function choose(job) {
  if (host.capabilities.serverTools) return act("history", { history_id: job.history_id, wait_seconds: 0 }, "");
  return show({ phase: "job", job, picture: 1 });
}

function View() {
  const { phase, prompt, job, list, text } = seen;
  const back = list && phase === "job";
  return html`
    ${back && html`<div class="actions"><${Button} icon="back" text=${word("pictures")} kind="plain" onclick=${() => show({ phase: "list", changing: false })} /></div>`}
    ${phase === "waiting" && html`<${Drawing} text=${word("loading")} />`}
    ${phase === "loading" && html`<${Drawing} text=${word("loading")} />`}
    ${phase === "drawing" && html`<${Drawing} prompt=${prompt} text=${word("app_drawing")} />`}
    ${phase === "cancelled" && html`<p class="soft" role="status">${word("app_cancelled")}</p>`}
    ${phase === "text" && html`<p class="words long" role="status">${cut(text, 600)}</p>`}
    ${phase === "job" && html`<${Job} job=${job} />`}
    ${phase === "list" && html`<${List} list=${list} />`}
    ${seen.problem && html`<p class="problem" role="alert">${cut(seen.problem, 300)}</p>`}`;
}

host.ready.then(() => {
  seen.ready = true;
  dressed();
  new ResizeObserver(told).observe(document.getElementById("view"));
  window.addEventListener("resize", () => show({}));
}, () => {});
document.documentElement.dataset.mode = "inline";
document.documentElement.lang = currentLanguage();
show({});
