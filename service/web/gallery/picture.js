/** The page of one picture: large, with all that is known of it, and all that can be done with it. */
import { api } from "./api.js";
import { failureText, noteText } from "./server_texts.js";
import { Working } from "./grid.js";
import { absorb, allTiles, explain, jobOf, loadMore, notify, remove, state, useStore } from "./store.js";
import { Family } from "./tree.js";
import { altOf, keyOf, markdownOf, parametersOf, requestText, sourceOf, webAddress } from "./values.js";
import { Blank, Button, ButtonLink, copyText, html, Question, useEffect, useLayoutEffect, useRef, useState } from "./view.js";
import { bytes, counted, durationText, moment, money, numeral, whenText, word } from "./words.js";
import { keyToView, Stage, View, ZoomButtons } from "./zoom.js";

const COPIED_MS = 1800;

/** The job with its children, read once and kept up to date by what the page hears. */
function useJob(historyId) {
  const [details, setDetails] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let left = false;
    setDetails(null);
    setProblem(null);
    api.job(historyId).then(
      (job) => { if (!left) { setDetails(job); absorb(job); } },
      (error) => { if (!left) setProblem({ text: explain(error), status: error.status }); },
    );
    return () => { left = true; };
  }, [historyId]);
  const live = jobOf(historyId);
  const own = details?.history_id === historyId ? details : null;
  return [own || live ? { ...own, ...live, children: own?.children || [] } : null, problem];
}

/** A button that copies, and says that it did. */
function Copy({ text, label, icon = "copy", short = false, kind = "plain" }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => { await copyText(text); setDone(true); };
  return html`<${Button} kind=${kind} icon=${done ? "check" : icon} label=${label} text=${short ? "" : done ? word("copied") : label} onclick=${copy} /><span class="unseen" role="status">${done ? word("copied") : ""}</span>`;
}

function Gone({ job, picture }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const fetchAgain = async () => {
    setBusy(true);
    setProblem("");
    try {
      await api.restore(job.history_id);
      absorb(await api.job(job.history_id));
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  const away = webAddress(picture.name.startsWith("away-") ? picture.url : "");
  return html`<${Blank} icon="picture" title=${word(away ? "away_title" : "gone_title")} text=${problem || word(away ? "away_text" : "gone_text")} role="status">
    ${away ? html`<a class="button primary" href=${away} rel="noreferrer noopener" target="_blank">${word("open_there")}</a>` : html`<${Button} kind="primary" icon="again" text=${busy ? word("fetching") : word("fetch_again")} disabled=${busy} onclick=${fetchAgain} />`}
  </${Blank}>`;
}

/** What stands in the place of the picture. */
function Middle({ job, picture, view }) {
  const [broken, setBroken] = useState(false);
  if (job.state === "working" && !picture) return html`<div class="blank"><${Working} job=${job} /></div>`;
  if (job.state === "failed" && !picture) return html`<${Failed} job=${job} />`;
  if (!picture) return html`<${Blank} icon="picture" title=${word("no_such_picture")} />`;
  if (!picture.kept) return html`<${Gone} job=${job} picture=${picture} />`;
  if (picture.media_type.startsWith("video/")) return html`<${Blank} icon="picture" title=${word("video_title")} text=${word("video_text")} />`;
  if (broken) return html`<${Blank} icon="picture" title=${word("not_loaded")} role="alert"><${Button} kind="primary" icon="again" text=${word("try_again")} onclick=${() => setBroken(false)} /></${Blank}>`;
  return html`<${Stage} view=${view} source=${sourceOf(picture)} preview=${sourceOf(picture, 640)} alt=${altOf(job)} width=${picture.width || 1} height=${picture.height || 1} onerror=${() => setBroken(true)} />`;
}

function Failed({ job }) {
  const [fact, ...rest] = (job.failure ? failureText(job.failure) : word("failed")).split("\n");
  return html`<${Blank} icon="warning" title=${fact} text=${rest.join(" ")} />`;
}

/** The facts under the prompt. */
function Facts({ job, picture }) {
  const seconds = job.finished_at && job.created_at ? (moment(job.finished_at) - moment(job.created_at)) / 1000 : 0;
  const cost = job.usage && typeof job.usage.cost === "number" ? money(job.usage.cost, job.usage.currency) : "";
  const origins = (job.parameters.references || []).filter((each) => typeof each === "string" && !each.startsWith("history_id"));
  const rows = [
    [word("model"), job.model],
    ...parametersOf(job).map(([name, value]) => [word(`parameter_${name}`), value]),
    origins.length ? [word("references"), origins.join(", ")] : null,
    picture && picture.width ? [word("pixels"), `${picture.width} × ${picture.height}`] : null,
    picture ? [word("file"), [picture.media_type.split("/")[1].toUpperCase(), bytes(picture.bytes)].join(", ")] : null,
    [word("made"), whenText(job.created_at)],
    seconds > 0.5 ? [word("took"), durationText(seconds)] : null,
    cost ? [word("cost"), job.usage.estimated ? word("about", { cost }) : cost] : null,
    [word("number"), `history_id ${job.history_id}`],
    picture?.note ? [word("note"), noteText(picture.note)] : null,
    picture && job.failure ? [word("note"), failureText(job.failure)] : null,
  ].filter(Boolean);
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** The other pictures of the job. */
function Siblings({ job, picture }) {
  if (job.pictures.length < 2) return null;
  return html`<nav class="siblings" aria-label=${word("siblings")}>
    ${job.pictures.map((each) => html`<a href=${`#/p/${job.history_id}/${each.picture}`} aria-current=${each === picture ? "true" : undefined} aria-label=${word("picture_of", { n: each.picture, all: job.pictures.length })}>${each.kept ? html`<img src=${sourceOf(each, 160)} alt="" width="64" height="64" />` : html`<span class="thumb"></span>`}</a>`)}
  </nav>`;
}

export function deletionQuestion(historyIds, pictures) {
  return historyIds.length === 1
    ? { title: counted("delete_title", pictures), text: counted("delete_text", pictures) }
    : { title: counted("delete_title", pictures), text: word("delete_text_entries", { entries: numeral(historyIds.length) }) };
}

export function PicturePage({ historyId, number, onagain, onchange, onturn, onback }) {
  useStore();
  const [job, problem] = useJob(historyId);
  const [view] = useState(() => new View());
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const panel = useRef(null);
  const picture = job?.pictures.find((each) => each.picture === number);
  const tiles = allTiles();
  const position = tiles.findIndex((each) => each.key === keyOf(historyId, number));
  const address = (tile) => (tile ? `#/p/${tile.job.history_id}/${tile.number}` : "");
  const earlier = position > 0 ? address(tiles[position - 1]) : "";
  const later = position >= 0 ? address(tiles[position + 1]) : "";
  const go = (where) => { if (where) onturn(where); };

  useEffect(() => { if (position >= 0 && tiles.length - position < 10) loadMore(); }, [position, tiles.length]);
  useEffect(() => view.reset(), [historyId, number]);
  useLayoutEffect(() => panel.current.focus(), []);
  useEffect(() => { document.title = job ? `${altOf(job)} – Easel` : "Easel"; }, [job?.prompt]);

  const onkeydown = (event) => {
    if (asking || event.defaultPrevented || event.target.closest("dialog") || keyToView(view, event)) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") onback();
    else if (event.key === "ArrowLeft") go(earlier);
    else if (event.key === "ArrowRight") go(later);
    else if (event.key === "Delete") setAsking(true);
  };
  const answered = async (yes) => {
    setAsking(false);
    if (!yes) return;
    const follower = later || earlier;
    if (await remove([historyId])) {
      notify(word("deleted"));
      const [, id] = /#\/p\/(\d+)/.exec(follower) || [];
      if (follower && Number(id) !== historyId) go(follower);
      else onback();
    }
  };
  const again = async () => {
    setBusy(true);
    await onagain(job);
    setBusy(false);
  };

  return html`<div class="picture-page" ref=${panel} tabindex="-1" role="dialog" aria-modal="true" aria-label=${job ? altOf(job) : word("picture")} onkeydown=${onkeydown}>
    <div class="middle">
      <div class="bar-top">
        <${Button} icon="close" label=${word("back")} kind="over" onclick=${onback} />
        <div class="spacer"></div>
        ${picture?.kept && html`<${ZoomButtons} view=${view} />`}
      </div>
      ${job ? html`<${Middle} key=${`${historyId}.${number}.${job.state}.${picture?.kept}`} job=${job} picture=${picture} view=${view} />` : problem ? html`<${Blank} icon="picture" title=${problem.status === 404 ? word("no_such_picture") : problem.text} text=${problem.status === 404 ? word("no_such_picture_text") : ""} role="alert"><${Button} kind="primary" text=${word("back")} onclick=${onback} /></${Blank}>` : html`<div class="blank" role="status"><span class="unseen">${word("loading")}</span></div>`}
      ${earlier && html`<button type="button" class="turn earlier" aria-label=${word("newer")} title=${word("newer")} onclick=${() => go(earlier)}><${TurnIcon} name="back" /></button>`}
      ${later && html`<button type="button" class="turn later" aria-label=${word("older")} title=${word("older")} onclick=${() => go(later)}><${TurnIcon} name="next" /></button>`}
    </div>
    ${job && html`<aside class="about" aria-label=${word("about_picture")}>
      <${Siblings} job=${job} picture=${picture} />
      <div class="prompt"><h1 class="unseen">${word("picture")}</h1><p class="words" tabindex="0">${job.prompt}</p><${Copy} text=${job.prompt} label=${word("copy_prompt")} short=${true} kind="plain" /></div>
      <div class="actions">
        ${picture?.kept && html`<${ButtonLink} kind="primary" icon="download" text=${word("download")} href=${api.downloadAddress(historyId, number)} download=${picture.file_name || ""} />`}
        ${picture?.kept && html`<${Button} icon="change" text=${word("change")} onclick=${() => onchange(job, picture)} />`}
        ${job.state !== "working" && html`<${Button} icon="again" text=${word("again")} disabled=${busy} onclick=${again} />`}
        ${job.state === "working" && html`<${Button} icon="stop" text=${word("stop")} onclick=${() => api.cancel(historyId).catch((error) => notify(explain(error), "bad"))} />`}
      </div>
      <${Facts} job=${job} picture=${picture} />
      <div class="actions small">
        ${picture?.kept && html`<${Copy} text=${markdownOf(job, picture)} label=${word("copy_markdown")} />`}
        <${Copy} text=${requestText(job)} label=${word("copy_request")} />
        ${job.state !== "working" && html`<${Button} kind="plain bad" icon="trash" text=${word("delete")} id="delete" onclick=${() => setAsking(true)} />`}
      </div>
      <${Family} job=${job} />
    </aside>`}
    ${asking && html`<${Question} ...${deletionQuestion([historyId], job.pictures.length)} yes=${word("delete")} danger=${true} onanswer=${answered} />`}
  </div>`;
}

function TurnIcon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${name === "back" ? "M15 5l-7 7 7 7" : "M9 5l7 7-7 7"} /></svg>`;
}

/** The number of pictures that go with these jobs. */
export function picturesOf(historyIds) {
  return historyIds.reduce((sum, id) => sum + Math.max(jobOf(id)?.pictures.length || 0, 0), 0);
}

export function selectedJobs() {
  return [...new Set([...state.selected].map((key) => Number(key.split(".")[0])))];
}
