/**
 * The view in a chat: the picture that is drawn there, or the history as a grid. All it knows comes from the host; what
 * it asks for goes through the host too.
 */
import { failureText } from "./server_texts.js";
import { currentLanguage, word } from "./words.js";
import { altOf, argumentsOf, cut, webAddress } from "./values.js";
import { Blank, Button, Icon, html, render, useEffect, useRef, useState } from "./view.js";
import { dressFrame, fitFrame, isFullScreen, keepFocus } from "./app_frame.js";
import { hostOf } from "./host.js";
import { sayOf, shownBy, textOf } from "./shown.js";

const WAIT_S = 25; // hosts give a call up after a minute
const BETWEEN_MS = 2000;
const VARIATIONS = 100;
const TILE_ROWS = 3; // those that fit into the height of a view in a chat
const LARGEST_DOWNLOAD = 32e6; // bytes that are handed to a host in one message
const CALL = { "easel/from_view": true }; // without it a host that takes tasks gets one, and the view never hears of it

const seen = { phase: "waiting", prompt: "", job: null, picture: 1, list: null, problem: null, text: "", refused: "", changing: false, busy: false, page: 0 };

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
  fitFrame(host);
  keepFocus();
}

function dressed() {
  dressFrame(host.context);
  show({});
}

/** Say that something went wrong: a sentence of ours, and what the server or the host said, which is in English. */
function wrong(say, detail = "") {
  show({ problem: { say, detail } });
}

function begun(given = {}) {
  if (seen.phase === "waiting" || seen.phase === "drawing") show({ phase: given.prompt || given.count ? "drawing" : "loading", prompt: String(given.prompt || "") });
}

/** Show the result of a call. `kept` is what stays of what a person chose meanwhile. */
function take(result, kept = {}) {
  const { jobs, list, text } = shownBy(result);
  const there = { busy: false, changing: false, problem: null, text: "", refused: result.isError ? sayOf(result) : "" };
  if (list) return show({ ...there, phase: "list", page: 0, list: { ...list, jobs } });
  if (text !== undefined) return show({ ...there, phase: "text", text });
  show({ ...there, phase: "job", job: jobs[0], picture: 1, ...kept });
  if (jobs[0].state === "working") follow(jobs[0]);
  return undefined;
}

async function call(name, given) {
  const result = await host.ask("tools/call", { name, arguments: given, _meta: CALL });
  if (result.isError && !(result._meta && result._meta["easel/view"])) throw Object.assign(new Error(textOf(result)), { say: sayOf(result) });
  return result;
}

/** Wait for pictures that are still being drawn, and show each that is there. */
async function follow(working) {
  let job = working;
  const isSeen = () => seen.job === job && seen.phase === "job";
  while (host.capabilities.serverTools && isSeen()) {
    const began = Date.now();
    try {
      const result = await call("history", { history_id: job.history_id, wait_seconds: WAIT_S });
      if (!isSeen()) return;
      const { jobs: [now] = [] } = shownBy(result);
      if (now && now.state !== "working") return void take(result, { picture: seen.picture, changing: seen.changing });
      if (now) {
        job = now;
        show({ job });
      }
    } catch (error) {
      return void (isSeen() && show({ problem: { say: word("app_lost"), detail: error.message, again: () => followAgain(job) } }));
    }
    await new Promise((done) => setTimeout(done, Math.max(0, BETWEEN_MS - (Date.now() - began))));
  }
}

function followAgain(job) {
  show({ problem: null });
  follow(job);
}

/** Have the server do something for the person, who goes on seeing what is there meanwhile. */
async function act(name, given, asWords, kept = {}) {
  if (seen.busy) return;
  if (!host.capabilities.serverTools) return void ask(asWords);
  show({ busy: true, problem: null, changing: false });
  try {
    const result = await call(name, given);
    take(result, kept);
    if (name === "generate" && host.capabilities.updateModelContext) {
      await host.ask("ui/update-model-context", { content: (result.content || []).filter((each) => each.type === "text") }).catch(() => {});
    }
  } catch (error) {
    show({ busy: false, problem: { say: error.say || word("app_refused"), detail: error.message } });
  }
}

async function ask(text) {
  try {
    await host.ask("ui/message", { role: "user", content: [{ type: "text", text }] });
    show({ changing: false, problem: null });
  } catch (error) {
    wrong(word("app_refused"), error.message);
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

/** The server has its image service asked for a picture that is gone, and sends a copy where the host lets none in. */
async function fetchAgain(job, { picture }) {
  await act("history", { history_id: job.history_id, picture, wait_seconds: 0 }, word("app_ask_show", { id: job.history_id }), { picture });
  const now = seen.phase === "job" && seen.job !== job && seen.job.pictures.find((each) => each.picture === picture);
  if (now && !now.kept) wrong(word("app_gone"));
}

async function open(url) {
  try {
    const { isError } = await host.ask("ui/open-link", { url });
    if (isError) throw new Error("refused");
  } catch {
    wrong(word("app_open_yourself", { url }));
  }
}

/** A file for the host to save. One that cannot be read here is a link, which the host saves or opens. */
async function fileOf(job, picture) {
  const name = `easel-${job.history_id}-${picture.picture}`;
  try {
    const answer = await fetch(picture.url);
    const bytes = await answer.blob();
    if (!answer.ok || bytes.size > LARGEST_DOWNLOAD) throw new Error("no file");
    const blob = await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = reject;
      reader.readAsDataURL(bytes);
    });
    const [, ending = ""] = /(\.\w+)$/.exec(new URL(picture.url).pathname) || [];
    return { type: "resource", resource: { uri: `file:///${name}${ending}`, mimeType: picture.media_type || bytes.type, blob } };
  } catch {
    return { type: "resource_link", uri: picture.url, name, mimeType: picture.media_type };
  }
}

/** A host that does not save files opens the picture. One that answers no was told so by the person. */
async function download(job, picture) {
  if (!host.capabilities.downloadFile) return open(picture.url);
  const file = await fileOf(job, picture);
  try {
    const { isError } = await host.ask("ui/download-file", { contents: [file] });
    return isError ? wrong(word("app_not_saved", { url: picture.url })) : undefined;
  } catch {
    return open(picture.url);
  }
}

async function resize() {
  const mode = isFullScreen() ? "inline" : "fullscreen";
  try {
    const { mode: now } = await host.ask("ui/request-display-mode", { mode });
    host.context.displayMode = now || mode;
    dressed();
  } catch (error) {
    wrong(word("app_refused"), error.message);
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
  if (source) return html`<img class=${className} src=${source} alt=${altOf(job)} width=${picture.width || undefined} height=${picture.height || undefined} onload=${() => fitFrame(host)} />`;
  const { serverTools, message } = host.capabilities;
  const returns = state.failed && !small && Boolean(serverTools || message) && job.history_id > 0;
  return html`<div class=${`gone ${className}`}>
    <span class="gone-sign" role="img" aria-label=${altOf(job)}><${Icon} name=${state.failed ? "cloud" : "picture"} />${state.failed && html`<span>${word(picture.kept ? "app_not_shown" : "gone_short")}</span>`}</span>
    ${returns && html`<${Button} id="fetch" icon="again" text=${word("fetch_again")} disabled=${seen.busy} onclick=${() => fetchAgain(job, picture)} />`}
  </div>`;
}

function Drawing({ prompt, text }) {
  return html`<div class="drawing" role="status">
    <p>${text}</p>
    ${prompt && html`<p class="soft words">${cut(prompt, 300)}</p>`}
    <div class="progress"><span class="bar unknown"><span></span></span></div>
  </div>`;
}

/** Why nothing, or not all, was drawn. An older server names no kind. */
function reasonOf({ failure, failure_kind: kind }) {
  return kind ? failureText({ kind, reason: failure }) : failure;
}

/** Words of the server and of hosts, in English unless `lang` says otherwise, below a sentence of ours. */
function Trouble({ say, detail = "", again = null, role = "alert", lang = "en" }) {
  return html`<div class="trouble" role=${role}>
    <p class="problem">${say}</p>
    ${detail && html`<p class="soft words long" lang=${lang} title=${detail}>${cut(detail, 300)}</p>`}
    ${again && html`<${Button} id="try-again" icon="again" text=${word("try_again")} onclick=${again} />`}
  </div>`;
}

/** No form: in the frame of a host without `allow-forms` the browser would not submit it. */
function Change({ job, picture }) {
  const [prompt, setPrompt] = useState("");
  const field = useRef(null);
  useEffect(() => field.current.focus({ preventScroll: true }), []);
  const send = () => void (prompt.trim() && change(job, picture, prompt.trim()));
  const close = () => {
    show({ changing: false });
    document.getElementById("change").focus({ preventScroll: true });
  };
  const pressed = ({ key, isComposing }) => void (!isComposing && (key === "Enter" ? send() : key === "Escape" && close()));
  return html`<div class="change" role="group" aria-label=${word("app_change")}>
    <input id="change-to" aria-label=${word("prompt_change")} placeholder=${word("prompt_change")} value=${prompt} oninput=${(event) => setPrompt(event.target.value)} onkeydown=${pressed} ref=${field} maxlength="8000" autocomplete="off" enterkeyhint="send" />
    <${Button} text=${word("draw")} kind="primary" disabled=${!prompt.trim()} onclick=${send} />
    <${Button} icon="close" label=${word("close")} kind="plain" onclick=${close} />
  </div>`;
}

function Actions({ job, picture }) {
  const { serverTools, message } = host.capabilities;
  const acts = Boolean(serverTools || message) && job.history_id > 0;
  const wide = isFullScreen() || (host.context.availableDisplayModes || []).includes("fullscreen");
  const url = picture && picture.kept && webAddress(picture.url);
  if (seen.changing) return html`<${Change} job=${job} picture=${picture ? picture.picture : 1} />`;
  return html`<div class="actions parted">
    <div class="acts">
      ${acts && html`<${Button} id="another" icon="again" text=${word("app_another")} kind="primary" disabled=${seen.busy} onclick=${() => another(job)} />`}
      ${acts && picture && picture.kept && html`<${Button} id="change" icon="change" text=${word("app_change")} disabled=${seen.busy} onclick=${() => show({ changing: true })} />`}
    </div>
    <div class="ways">
      ${serverTools && html`<${Button} id="all" icon="grid" label=${word("app_all")} kind="plain" disabled=${seen.busy} onclick=${() => browse()} />`}
      ${url && html`<${Button} id="open" icon="open" label=${word("app_open")} kind="plain" onclick=${() => open(url)} />
      <${Button} id="download" icon="download" label=${word("download")} kind="plain" onclick=${() => download(job, picture)} />`}
      ${wide && html`<${Button} id="full" icon="fit" label=${word(isFullScreen() ? "app_small" : "app_full")} kind="plain" onclick=${resize} />`}
    </div>
  </div>`;
}

/** A picture that is still being drawn. Without calls of tools the view cannot follow it, and a person asks for it. */
function Working({ job, picture }) {
  const { serverTools, message } = host.capabilities;
  if (serverTools) return html`<${Drawing} prompt=${picture ? "" : job.prompt} text=${word("app_drawing")} />`;
  return html`<div class="drawing" role="status">
    <p>${word("app_ask_later")}</p>
    ${!picture && html`<p class="soft words">${cut(job.prompt, 300)}</p>`}
    ${message && job.history_id > 0 && html`<div class="actions"><${Button} id="ask-again" icon="again" text=${word("app_ask")} onclick=${() => ask(word("app_ask_show", { id: job.history_id }))} /></div>`}
  </div>`;
}

function Job({ job }) {
  const picture = job.pictures.find((each) => each.picture === seen.picture) || job.pictures[0];
  return html`<article class="job" aria-busy=${String(seen.busy)}>
    ${picture && html`<${Sight} key=${picture.url} job=${job} picture=${picture} className="large" />`}
    ${job.state === "working" && html`<${Working} job=${job} picture=${picture} />`}
    ${job.failure && html`<${Trouble} say=${word(picture ? "app_failed_some" : "app_failed")} detail=${reasonOf(job)} lang=${job.failure_kind ? currentLanguage() : "en"} />`}
    ${job.pictures.length > 1 && html`<div class="strip" role="group" aria-label=${word("pictures")}>
      ${job.pictures.map((each) => html`<button type="button" id=${`picture-${each.picture}`} class="small" aria-pressed=${String(each === picture)} aria-label=${word("picture_of", { n: each.picture, all: job.pictures.length })} onclick=${() => show({ picture: each.picture })}><${Sight} job=${job} picture=${each} small /></button>`)}
    </div>`}
    ${job.prompt && (picture || job.failure) && html`<p class="words soft" title=${job.prompt}>${cut(job.prompt, 300)}</p>`}
    ${seen.busy && html`<${Drawing} text=${word("app_busy")} />`}
    <${Actions} job=${job} picture=${picture} />
  </article>`;
}

/** What the server said in place of pictures, such as a link by which the person sends one. */
function Said({ text }) {
  const [address = ""] = /https?:\/\/[^\s)<>"]*[^\s)<>".,;:!?]/.exec(text) || [];
  const lang = currentLanguage() === "en" ? undefined : "en";
  return html`<div class="said" role="status">
    ${seen.refused && html`<p class="problem">${seen.refused}</p>`}
    <p class="words long" lang=${lang}>${cut(text, 600)}</p>
    ${address && html`<div class="actions"><${Button} id="open" icon="open" text=${word("app_open_link")} onclick=${() => open(address)} /></div>`}
  </div>`;
}

/** As many tiles as fit into the rows, by the widths of the style; full screen shows them all. */
function fitting() {
  const width = document.documentElement.clientWidth;
  if (isFullScreen()) return Infinity;
  return Math.max(2, Math.floor(width / (width < 480 ? 110 : 128))) * TILE_ROWS;
}

function List({ list }) {
  const most = fitting();
  const start = most === Infinity ? 0 : seen.page * most;
  const tiles = list.jobs.slice(start, start + most);
  const more = start + most < list.jobs.length;
  const older = list.next_before && host.capabilities.serverTools;
  if (!list.jobs.length) return html`<${Blank} icon="picture" title=${word(Object.keys(list.filters || {}).length ? "nothing_found" : "empty_title")} />`;
  return html`<section class="list" aria-busy=${String(seen.busy)}>
    <div class="tiles">${tiles.map((job) => html`<button type="button" class="tile" id=${`job-${job.history_id}`} key=${job.history_id} title=${altOf(job)} disabled=${seen.busy} onclick=${() => choose(job)}>
      ${job.pictures[0] ? html`<${Sight} job=${job} picture=${job.pictures[0]} small />` : html`<span class="gone"><${Icon} name=${job.failure ? "warning" : "picture"} /><span>${cut(job.failure ? reasonOf(job) : job.prompt, 60)}</span></span>`}
    </button>`)}</div>
    <div class="actions">
      <span class="soft">${word("app_total", { n: list.total || list.jobs.length })}</span><span class="spacer"></span>
      ${seen.page > 0 && html`<${Button} id="newer" icon="back" text=${word("app_newer")} onclick=${() => show({ page: seen.page - 1 })} />`}
      ${seen.page === 0 && list.paged && html`<${Button} id="newest" icon="back" text=${word("app_newest")} disabled=${seen.busy} onclick=${() => browse(list.filters)} />`}
      ${(more || older) && html`<${Button} id="older" icon="next" text=${word("app_older")} disabled=${seen.busy} onclick=${() => (more ? show({ page: seen.page + 1 }) : older_page(list))} />`}
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
    ${back && html`<div class="actions"><${Button} id="back" icon="back" text=${word("pictures")} kind="plain" onclick=${() => show({ phase: "list", changing: false, problem: null })} /></div>`}
    ${phase === "waiting" && html`<${Drawing} text=${word("loading")} />`}
    ${phase === "loading" && html`<${Drawing} text=${word("loading")} />`}
    ${phase === "drawing" && html`<${Drawing} prompt=${prompt} text=${word("app_drawing")} />`}
    ${phase === "cancelled" && html`<p class="soft" role="status">${word("app_cancelled")}</p>`}
    ${phase === "text" && html`<${Said} text=${text} />`}
    ${phase === "job" && html`<${Job} job=${job} />`}
    ${phase === "list" && html`<${List} list=${list} />`}
    ${seen.problem && html`<${Trouble} ...${seen.problem} />`}`;
}

host.ready.then(() => {
  dressed();
  new ResizeObserver(() => fitFrame(host)).observe(document.getElementById("view"));
  window.addEventListener("resize", () => show({}));
}, (error) => wrong(word("app_no_host"), error.message));
document.documentElement.dataset.mode = "inline";
document.documentElement.lang = currentLanguage();
show({});
