/**
 * The grid: rows of tiles, newest first. Only rows near the screen are in the page, each tile at a place of its own, so
 * that nothing shifts when pictures arrive. One tile takes the focus of the keyboard; arrows move it.
 */
import { api } from "./api.js";
import { failureText, stepText } from "./server_texts.js";
import { arrange, rowHeight, rowsBetween } from "./layout.js";
import { allTiles, changed, explain, loadMore, notify, selectBetween, state, toggle } from "./store.js";
import { altOf, cut, sourceOf, sourcesOf } from "./values.js";
import { Button, html, Icon, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./view.js";
import { counted, word } from "./words.js";

const GAP = 6;
const AHEAD = 1; // screens above and below that are in the page
const SPARE = 0.5; // of which so much must be left, before rows are put in and taken out
const LONG_PRESS_MS = 450;
const MOVED = 10; // a finger that moves farther scrolls

/** The picture of a tile, or the words in its place. */
function Face({ tile, width }) {
  const { job, picture } = tile;
  const [broken, setBroken] = useState(false);
  const image = useRef(null);
  useLayoutEffect(() => () => stopLoading(image.current), []);
  if (picture && picture.kept && !broken) {
    return html`<img ref=${image} src=${sourceOf(picture, 320)} srcset=${sourcesOf(picture)} sizes=${`${Math.round(width)}px`} alt=${nameOf(tile)} decoding="async" draggable=${true} onerror=${() => setBroken(true)} />`;
  }
  if (picture) return html`<span class="words gone"><${Icon} name="picture" /><span>${word(broken ? "not_loaded" : "gone_short")}</span><q>${cut(job.prompt, 60)}</q></span>`;
  if (job.state === "failed") {
    const [fact] = job.failure ? failureText(job.failure).split("\n") : [""];
    return html`<span class="words failed"><${Icon} name="warning" /><span>${fact || word("failed")}</span><q>${cut(job.prompt, 60)}</q></span>`;
  }
  return html`<span class=${`words working ${tile.number === job.pictures.length + 1 ? "stoppable" : ""}`}><q>${cut(job.prompt, 80)}</q></span>`;
}

/** A picture that was scrolled past is not waited for: those in sight come first, and the server makes no copy for it. */
function stopLoading(image) {
  if (!image || image.complete) return;
  image.removeAttribute("srcset");
  image.removeAttribute("src");
}

/** How far a job is, in words and as a bar; a service that tells no percent gets a bar that only moves. */
export function Working({ job }) {
  const { message = "", percent = null } = job.progress || {};
  const known = typeof percent === "number";
  return html`<span class="progress">
    <span class="message">${message ? stepText(message) : word("begun_short")}</span>
    <span class=${`bar ${known ? "" : "unknown"}`} role="progressbar" aria-label=${word("progress")} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${known ? Math.round(percent) : undefined}><span style=${{ width: known ? `${percent}%` : undefined }}></span></span>
  </span>`;
}

function nameOf(tile) {
  const { job, number } = tile;
  const which = job.pictures.length > 1 ? ` (${word("picture_of", { n: number, all: job.pictures.length })})` : "";
  const condition = tile.picture ? (tile.picture.kept ? "" : `, ${word("gone_short")}`) : `, ${word(job.state)}`;
  return `${altOf(job)}${which}${condition}`;
}

function Tile({ tile, box, index, total, current, selected }) {
  const { job, key, picture } = tile;
  const place = { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px` };
  const working = job.state === "working" && !picture;
  const isFirst = tile.number === job.pictures.length + 1;
  return html`<div class=${`tile ${selected ? "selected" : ""} ${picture ? "done" : job.state}`} role="listitem" aria-setsize=${total} aria-posinset=${index + 1} style=${place} data-key=${key}>
    <a href=${`#/p/${job.history_id}/${tile.number}`} tabindex=${current ? 0 : -1} aria-busy=${working ? "true" : undefined}>
      <${Face} key=${picture ? picture.name + picture.kept : job.state} tile=${tile} width=${box.width} />
      ${working && html`<${Working} job=${job} />`}
      ${job.parents.length > 0 && !working && html`<span class="badge" title=${word("has_parents")}><${Icon} name="change" /></span>`}
    </a>
    ${!working && html`<input type="checkbox" class="mark" tabindex="-1" checked=${selected} aria-label=${word("select_one", { name: nameOf(tile) })} onclick=${(event) => { event.stopPropagation(); pick(event, key); }} />`}
    ${working && isFirst && html`<button type="button" tabindex="-1" class="halt" aria-label=${word("stop")} title=${word("stop")} onclick=${() => halt(job)}><${Icon} name="stop" /></button>`}
  </div>`;
}

async function halt(job) {
  try {
    await api.cancel(job.history_id);
  } catch (error) {
    notify(explain(error), "bad");
  }
}

/** What is still to come cannot be selected. */
function isSelectable(tile) {
  return tile.picture !== null || tile.job.state !== "working";
}

let anchor = "";
/** Select one tile, or with Shift all from the one before to it. */
function pick(event, key) {
  if (event.shiftKey && anchor && anchor !== key) {
    event.preventDefault();
    selectBetween(anchor, key);
  } else {
    toggle(key);
  }
  anchor = key;
}

/** The width of an element, kept up to date. */
function useWidth(ref) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.floor(ref.current.getBoundingClientRect().width));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** The rows near the screen. They change once for many rows that go by: each change costs the same, however few they are. */
function useVisible(ref, layout) {
  const [range, setRange] = useState([0, 0]);
  const covered = useRef([0, 0]); // the part of the grid that may be seen before the rows have to change
  useLayoutEffect(() => {
    let frame = 0;
    const put = (top, screen) => {
      const [from, to] = rowsBetween(layout.rows, top - screen * AHEAD, top + screen * (1 + AHEAD));
      covered.current = [from ? top - screen * SPARE : -Infinity, to < layout.rows.length ? top + screen * SPARE : Infinity];
      setRange((old) => (old[0] === from && old[1] === to ? old : [from, to]));
    };
    const look = (anew) => {
      frame = 0;
      if (!ref.current) return;
      const top = -ref.current.getBoundingClientRect().top;
      const screen = window.innerHeight;
      if (anew === true || top < covered.current[0] || top > covered.current[1]) put(top, screen);
      if (layout.height - top < screen * 3) loadMore();
    };
    const soon = () => { frame ||= requestAnimationFrame(look); };
    const again = () => look(true);
    again();
    window.addEventListener("scroll", soon, { passive: true });
    window.addEventListener("resize", again);
    return () => { cancelAnimationFrame(frame); window.removeEventListener("scroll", soon); window.removeEventListener("resize", again); };
  }, [layout]);
  return [Math.min(range[0], layout.rows.length), Math.min(range[1], layout.rows.length)];
}

/** The next tile in a direction: beside it, or the nearest in the row above or below. */
function neighbour(layout, index, key) {
  if (key === "ArrowLeft") return index - 1;
  if (key === "ArrowRight") return index + 1;
  if (key === "Home") return 0;
  if (key === "End") return layout.boxes.length - 1;
  const row = layout.rows.findIndex((each) => index >= each.from && index < each.to);
  const other = layout.rows[row + (key === "ArrowUp" ? -1 : 1)];
  if (!other) return index;
  const middle = layout.boxes[index].left + layout.boxes[index].width / 2;
  const distance = (each) => Math.abs(layout.boxes[each].left + layout.boxes[each].width / 2 - middle);
  let best = other.from;
  for (let each = other.from; each < other.to; each += 1) if (distance(each) < distance(best)) best = each;
  return best;
}

let current = "";
/** The tile that has the focus, or had it when the grid was left. */
export function rememberTile(key) {
  current = key;
  changed();
}

function bringIntoView(grid, box) {
  const top = grid.getBoundingClientRect().top + box.top;
  const header = document.querySelector("header")?.offsetHeight || 0;
  if (top < header + 8) window.scrollBy({ top: top - header - 8, behavior: "instant" });
  else if (top + box.height > window.innerHeight - 8) window.scrollBy({ top: top + box.height - window.innerHeight + 8, behavior: "instant" });
}

/** Put the focus of the keyboard on the tile it was on, once that tile is in the page; where it is gone, on the tile that Tab comes to. */
export function focusTile() {
  const wanted = current;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const tile = [...document.querySelectorAll(".tile")].find((each) => each.dataset.key === wanted);
    (tile || document).querySelector(tile ? "a" : ".tile a[tabindex='0']")?.focus({ preventScroll: true });
  }));
}

export function Grid({ selected, selecting, version }) {
  const ref = useRef(null);
  const width = useWidth(ref);
  const tiles = allTiles();
  const layout = useMemo(() => (width ? arrange(tiles.map((each) => each.ratio), width, GAP, rowHeight(width), state.next !== null) : { rows: [], boxes: [], height: 0 }), [tiles, width, state.next === null]);
  const [from, to] = useVisible(ref, layout);
  const first = from < layout.rows.length ? layout.rows[from].from : 0;
  const last = to > from ? layout.rows[to - 1].to : first;
  const position = Math.max(0, tiles.findIndex((each) => each.key === current));
  const press = useRef(null);
  const before = useRef(new Map());

  useEffect(() => { // the tile that had the focus is in sight when the person comes back
    if (!current || !layout.boxes.length) return;
    bringIntoViewOnReturn = () => { const index = allTiles().findIndex((each) => each.key === current); if (index >= 0 && layout.boxes[index]) bringIntoView(ref.current, layout.boxes[index]); };
  }, [layout]);

  const onkeydown = (event) => {
    const tile = tiles[position];
    if (!tile || !event.target.closest("a")) return;
    if (event.key === " ") {
      event.preventDefault();
      if (isSelectable(tile)) pick(event, tile.key);
    } else if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) && !event.altKey && !event.metaKey) {
      event.preventDefault();
      const index = Math.min(Math.max(neighbour(layout, position, event.key), 0), layout.boxes.length - 1);
      if (event.shiftKey) selectBetween(tile.key, tiles[index].key);
      anchor = anchor && event.shiftKey ? anchor : tiles[index].key;
      rememberTile(tiles[index].key);
      bringIntoView(ref.current, layout.boxes[index]);
      focusTile();
    }
  };
  const onclick = (event) => {
    const key = event.target.closest(".tile")?.dataset.key;
    if (!key || !event.target.closest("a")) return;
    const tile = tiles.find((each) => each.key === key);
    if (press.current?.held || ((selecting || event.shiftKey || event.ctrlKey || event.metaKey) && isSelectable(tile))) {
      event.preventDefault();
      if (!press.current?.held) pick(event, key);
      press.current = null;
    } else {
      current = key;
    }
  };
  const onpointerdown = (event) => {
    const key = event.target.closest(".tile")?.dataset.key;
    if (event.pointerType === "mouse" || !key || !event.target.closest("a")) return;
    const started = { x: event.clientX, y: event.clientY, held: false };
    started.timer = setTimeout(() => { started.held = true; pick({}, key); navigator.vibrate?.(10); }, LONG_PRESS_MS);
    press.current = started;
  };
  const letGo = () => { if (press.current && !press.current.held) { clearTimeout(press.current.timer); press.current = null; } };
  const onpointermove = (event) => { if (press.current && Math.hypot(event.clientX - press.current.x, event.clientY - press.current.y) > MOVED) letGo(); };

  const total = state.next === null ? tiles.length : -1;
  const shown = [];
  const drawn = new Map();
  for (let index = first; index < last && index < tiles.length; index += 1) {
    const tile = tiles[index];
    const facts = [tile, layout.boxes[index], index, total, index === position, selected.has(tile.key), version];
    const earlier = before.current.get(tile.key); // what is the same is not even compared: scrolling draws a row, not a screen
    const same = earlier?.facts.every((each, at) => each === facts[at]);
    const element = same ? earlier.element : html`<${Tile} key=${tile.key} tile=${tile} box=${layout.boxes[index]} index=${index} total=${total} current=${index === position} selected=${selected.has(tile.key)} />`;
    drawn.set(tile.key, { facts, element });
    shown.push(element);
  }
  before.current = drawn;
  return html`<div class=${`grid ${selecting ? "selecting" : ""}`} role="list" aria-label=${word("pictures")} ref=${ref} style=${{ height: `${layout.height}px` }} data-version=${version} data-tiles=${layout.boxes.length}
    onkeydown=${onkeydown} onclick=${onclick} onpointerdown=${onpointerdown} onpointerup=${letGo} onpointercancel=${letGo} onpointermove=${onpointermove} oncontextmenu=${(event) => { if (press.current) event.preventDefault(); }}
    onfocusin=${(event) => { const key = event.target.closest(".tile")?.dataset.key; if (key && key !== current && event.target.closest("a")) rememberTile(key); }}>${shown}</div>`;
}

let bringIntoViewOnReturn = () => {};
export function returnToTile() {
  bringIntoViewOnReturn();
  focusTile();
}

/** The button that shows what came in meanwhile. */
export function NewOnes({ count, onclick }) {
  return count ? html`<div class="new-ones"><${Button} kind="primary" icon="plus" text=${counted("new_ones", count)} onclick=${onclick} /></div>` : null;
}
