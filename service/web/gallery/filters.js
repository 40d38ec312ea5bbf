/** The search and the filters. They stand in the address, so that the way back and a bookmark keep them. */
import { FILTERS, state } from "./store.js";
import { Button, Choice, html, Icon, useEffect, useRef, useState } from "./view.js";
import { word } from "./words.js";

const TYPING_MS = 300;

export function filtersOf(query) {
  const given = new URLSearchParams(query);
  return Object.fromEntries(FILTERS.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
}

export function addressOf(filters) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  return `#/${String(query) && `?${query}`}`;
}

export function Search({ filters, onset }) {
  const [text, setText] = useState(filters.query || "");
  const timer = useRef(0);
  useEffect(() => setText(filters.query || ""), [filters.query]);
  const type = (value) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onset({ query: value.trim() }), TYPING_MS);
  };
  return html`<form class="search" role="search" onsubmit=${(event) => { event.preventDefault(); clearTimeout(timer.current); onset({ query: text.trim() }); }}>
    <${Icon} name="search" />
    <input type="search" id="search" value=${text} placeholder=${word("search")} aria-label=${word("search")} enterkeyhint="search" oninput=${(event) => type(event.target.value)} />
  </form>`;
}

export function Filters({ filters, onset }) {
  const models = (state.options?.models || []).map((each) => each.id);
  const known = filters.model && !models.includes(filters.model) ? [filters.model, ...models] : models;
  const used = FILTERS.filter((name) => name !== "query" && filters[name]);
  const date = (name, label) => html`<div class="field"><label for=${`filter-${name}`}>${label}</label><input type="date" id=${`filter-${name}`} value=${filters[name] || ""} onchange=${(event) => onset({ [name]: event.target.value })} /></div>`;
  return html`<section class="filters" id="filters" aria-label=${word("filters")}>
    <${Choice} id="filter-model" label=${word("model")} value=${filters.model || ""} values=${[["", word("all")], ...known.map((each) => [each, each])]} onchange=${(model) => onset({ model })} />
    <${Choice} id="filter-state" label=${word("state")} value=${filters.state || ""} values=${[["", word("all")], ...["done", "working", "failed"].map((each) => [each, word(each)])]} onchange=${(value) => onset({ state: value })} />
    <${Choice} id="filter-parents" label=${word("origin")} value=${filters.parents || ""} values=${[["", word("all")], ["yes", word("has_parents")], ["no", word("no_parents")]]} onchange=${(parents) => onset({ parents })} />
    ${date("from", word("from_day"))}${date("to", word("to_day"))}
    ${used.length > 0 && html`<${Button} kind="plain" icon="close" text=${word("clear_filters")} onclick=${() => onset(Object.fromEntries(used.map((name) => [name, ""])))} />`}
  </section>`;
}
