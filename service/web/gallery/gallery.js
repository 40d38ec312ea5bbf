/** The page as a whole: its addresses, its head, the grid, and the page of a picture above it. */
import { ComparePage } from "./compare.js";
import { change, closeEmpty, draft, DrawBox, drawAgain, startDrawing } from "./draw.js";
import { addressOf, Filters, filtersOf, Search } from "./filters.js";
import { Grid, NewOnes, rememberTile, returnToTile } from "./grid.js";
import { PicturePage } from "./picture.js";
import { SelectionBar } from "./selection.js";
import { allTiles, changed, holdBack, load, loadMore, offlineWords, readOptions, selectNothing, startSelecting, state, stayConnected, useStore } from "./store.js";
import { keyOf } from "./values.js";
import { Blank, Button, html, Icon, render, useEffect, useRef, useState } from "./view.js";
import { counted, currentLanguage, currentTheme, dress, keep, LANGUAGES, numeral, speak, word } from "./words.js";

/** The place that an address names: the grid, one picture, or two of them. */
function placeOf(hash) {
  const picture = /^#\/p\/(\d+)\/(\d+)$/.exec(hash);
  if (picture) return { name: "picture", historyId: Number(picture[1]), number: Number(picture[2]) };
  const pair = /^#\/compare\/(\d+)\.(\d+)\/(\d+)\.(\d+)$/.exec(hash);
  if (pair) return { name: "compare", one: [Number(pair[1]), Number(pair[2])], other: [Number(pair[3]), Number(pair[4])] };
  return { name: "grid", filters: filtersOf(hash.replace(/^#\/?\??/, "")) };
}

/**
 * The place of the page, and the way to another one. The page is there at once: the browser tells of a new address only
 * later, and a key that is pressed before that would belong to the place that was left.
 */
function usePlace() {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const follow = () => setPlace(placeOf(location.hash));
  useEffect(() => {
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const go = (address) => { location.hash = address; follow(); };
  const turn = (address) => { location.replace(address); follow(); }; // leaves no step in the history
  return { place, go, turn };
}

/** Look and language, the way out, and the way to the chat programs. */
function Menu({ onspoken }) {
  const [open, setOpen] = useState(false);
  const box = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => { if (!box.current.contains(event.target)) setOpen(false); };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  const themes = [["", word("theme_system")], ["light", word("theme_light")], ["dark", word("theme_dark")]];
  const segments = (label, values, current, choose) => html`<fieldset><legend>${label}</legend><div class="segments">${values.map(([value, text, lang]) => html`<button type="button" lang=${lang} aria-pressed=${String(value === current)} onclick=${() => choose(value)}>${text}</button>`)}</div></fieldset>`;
  return html`<div class="menu" ref=${box} onkeydown=${(event) => { if (event.key === "Escape" && open) { setOpen(false); box.current.querySelector("button").focus(); } }}>
    <${Button} icon="menu" id="menu" label=${word("menu")} expanded=${open} onclick=${() => setOpen(!open)} />
    ${open && html`<div class="menu-sheet">
      ${segments(word("theme"), themes, currentTheme(), (theme) => { dress(theme); keep("theme", theme); onspoken(); })}
      ${segments(word("language"), LANGUAGES.map((each) => [each, WORDS[each].name, each]), currentLanguage(), (language) => { speak(language); keep("language", language); onspoken(); })}
      <a href="./">${word("home")}</a>
      ${state.options?.signed_in && html`<form method="post" action="gallery/sign-out"><button type="submit" class="button plain">${state.options.owner ? word("sign_out_of", { owner: state.options.owner }) : word("sign_out")}</button></form>`}
    </div>`}
  </div>`;
}

function Head({ filters, onset, onspoken }) {
  const used = ["model", "state", "parents", "from", "to"].filter((name) => filters[name]).length;
  const [open, setOpen] = useState(used > 0);
  return html`<header>
    <div class="head">
      <h1 class="brand"><a class="mark-name" href="#/" title=${word("to_all")}>Easel</a></h1>
      <${Search} filters=${filters} onset=${onset} />
      <${Button} icon="filter" id="filter" label=${word("filters")} expanded=${open} kind=${used ? "on" : ""} onclick=${() => { if (!open) window.scrollTo({ top: 0 }); setOpen(!open); }} />
      <${Button} icon="select" id="select" label=${word("select")} pressed=${state.selecting} onclick=${() => { if (state.selecting) return selectNothing(); closeEmpty(); return startSelecting(); }} />
      <${Menu} onspoken=${onspoken} />
    </div>
  </header>
  ${open && html`<${Filters} filters=${filters} onset=${onset} />`}`;
}

function Skeleton() {
  return html`<div class="skeleton" role="status"><span class="unseen">${word("loading")}</span>${Array.from({ length: 12 }, () => html`<span></span>`)}</div>`;
}

function Body({ filters }) {
  const filtered = Object.keys(filters).length > 0;
  if (state.status === "loading") return html`<${Skeleton} />`;
  if (state.status === "failed") {
    const network = state.problem.kind === "network";
    return html`<${Blank} icon=${network ? "cloud" : "warning"} title=${network ? word("no_server_title") : word("problem_title")} text=${network ? offlineWords() : state.problem.text} role="alert">
      <${Button} kind="primary" icon="again" text=${word("try_again")} onclick=${() => load(filters)} />
      ${filtered && html`<a class="button" href="#/">${word("show_all")}</a>`}
    </${Blank}>`;
  }
  if (!allTiles().length) {
    return filtered
      ? html`<${Blank} icon="search" title=${word("nothing_found")} text=${word("nothing_found_text")}><a class="button" href="#/">${word("show_all")}</a></${Blank}>`
      : html`<${Blank} icon="brush" title=${word("empty_title")} text=${word("empty_text")}><${Button} kind="primary" icon="plus" text=${word("draw_first")} onclick=${() => startDrawing()} /></${Blank}>`;
  }
  return html`<p class="count soft" role="status">${counted(filtered ? "found" : "entries", state.total, state.atLeast ? { n: `${numeral(state.total)}+` } : {})}</p>
    <${Grid} selected=${state.selected} selecting=${state.selecting} version=${currentLanguage()} />
    ${state.status === "more" ? html`<p class="more" role="status">${word("loading")}</p>` : state.problem && html`<div class="end"><p class="problem" role="alert">${state.problem.text}</p><${Button} icon="again" text=${word("try_again")} onclick=${loadMore} /></div>`}`;
}

function App() {
  useStore();
  const { place, go, turn } = usePlace();
  const [, speakAgain] = useState(0);
  const filters = useRef({});
  const before = useRef(place);
  const toDraw = useRef(null); // what fills the box, once the grid is back
  const above = place.name !== "grid";
  if (!above) filters.current = place.filters;
  const asked = JSON.stringify(filters.current);

  useEffect(() => { load(filters.current); }, [asked]);
  useEffect(() => {
    document.documentElement.classList.toggle("above", above);
    if (!above) document.title = "Easel";
    if (!above && before.current.name !== "grid" && !toDraw.current) returnToTile();
    if (!above && toDraw.current) { window.scrollTo({ top: 0 }); toDraw.current(); toDraw.current = null; }
    if (place.name === "picture") rememberTile(keyOf(place.historyId, place.number));
    before.current = place;
  }, [place]);
  useEffect(() => {
    const scrolled = () => holdBack(window.scrollY > 300);
    const key = (event) => {
      if (event.defaultPrevented || above || event.target.closest("dialog") || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") { event.preventDefault(); document.getElementById("search").focus(); }
      else if (event.key === "Escape" && state.selecting) selectNothing();
      else if (event.key === "Delete" && state.selected.size) document.getElementById("delete-selected")?.click();
    };
    window.addEventListener("scroll", scrolled, { passive: true });
    document.addEventListener("keydown", key);
    return () => { window.removeEventListener("scroll", scrolled); document.removeEventListener("keydown", key); };
  }, [above]);

  const set = (values) => go(addressOf({ ...filters.current, ...values }));
  const back = () => go(addressOf(filters.current));
  const onchange = (job, picture) => { toDraw.current = () => change(job, picture); back(); };

  if (state.signedOut) return html`<main class="lonely"><h1 class="unseen">Easel</h1><${Blank} icon="warning" title=${word("signed_out_title")} text=${word("signed_out_text")} role="alert"><a class="button primary" href="gallery/sign-in">${word("sign_in_title")}</a></${Blank}></main>`;
  return html`<div class="page" inert=${above}>
      <${Head} key=${asked === "{}" ? "all" : "some"} filters=${filters.current} onset=${set} onspoken=${() => { speakAgain((n) => n + 1); changed(); }} />
      ${!state.connected && state.status !== "failed" && html`<p class="offline" role="status">${offlineWords()}</p>`}
      <main>
        <${DrawBox} open=${draft.open} />
        <${Body} filters=${filters.current} />
        ${state.selecting || state.selected.size > 0 ? html`<${SelectionBar} />` : state.holdBack && html`<button type="button" class="to-draw" aria-label=${word("draw_title")} title=${word("draw_title")} onclick=${() => { window.scrollTo({ top: 0 }); startDrawing(); }}><${Icon} name="brush" /></button>`}
      </main>
      <${NewOnes} count=${state.waiting.length} onclick=${() => window.scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" })} />
    </div>
    ${place.name === "picture" && html`<${PicturePage} key="picture" historyId=${place.historyId} number=${place.number} onagain=${drawAgain} onchange=${onchange} onturn=${turn} onback=${back} />`}
    ${place.name === "compare" && html`<${ComparePage} key=${location.hash} one=${place.one} other=${place.other} onback=${back} />`}
    <div class=${`notice ${state.notice?.kind || ""}`} role="status" hidden=${!state.notice}>${state.notice?.text || ""}</div>`;
}

readOptions();
stayConnected();
render(html`<${App} />`, document.getElementById("app"));
