/** The box by which a person draws: what the picture shows, the model, its shape, the pictures it starts from. */
import { api } from "./api.js";
import { MaskDialog } from "./mask.js";
import { argumentsFor, letGo, ofFile, ofPicture, putMask, ReferenceList } from "./references.js";
import { aboutText } from "./server_texts.js";
import { absorb, explain, notify, readOptions, state } from "./store.js";
import { argumentsOf, sourceOf } from "./values.js";
import { Button, Choice, html, Icon, Problem, useEffect, useRef, useState } from "./view.js";
import { keep, kept, money, numeral, word } from "./words.js";

const CHOICES = ["aspect_ratio", "resolution", "quality", "complexity"];
const MORE_CHOICES = ["background", "output_format"];
const VARIATIONS = 98;

/** What is in the box. It outlives the page of a picture, from which it is filled. */
export const draft = { prompt: "", model: "", values: {}, references: [], open: false };
let redraw = () => {};
let forgetProblems = () => {};
let intent = 0;

function begin() {
  draft.open = true;
  forgetProblems();
  redraw();
  requestAnimationFrame(() => {
    const prompt = document.getElementById("prompt");
    prompt?.focus();
    prompt?.setSelectionRange(prompt.value.length, prompt.value.length);
  });
}

/** Start from a picture: it becomes the reference, and the prompt is what to change. */
export function change(job, picture) {
  draft.references.forEach(letGo);
  const { prompt, model, count, ...values } = argumentsOf(job);
  Object.assign(draft, { prompt: "", model: takes(modelOf(model)) ? model : firstThatTakes(), values: keepAble(values, modelOf(model)), references: [ofPicture(job, picture)] });
  begin();
}

/** Open the box, with the pictures that are given as references beside those in it. */
export function startDrawing(pairs = []) {
  for (const [job, picture] of pairs) draft.references.push(ofPicture(job, picture));
  begin();
}

/** Close the box where nothing would be lost by it. */
export function closeEmpty() {
  if (draft.prompt.trim() || draft.references.length) return;
  draft.open = false;
  redraw();
}

/** Draw a job once more. Pressed again before the server has answered, it is the same wish, and paid once. */
export async function drawAgain(job) {
  intent ||= 2 + Math.floor(Math.random() * VARIATIONS);
  const asked = { ...argumentsOf(job), variation: intent };
  if (job.parents.length) {
    const [first, ...others] = job.parents;
    Object.assign(asked, { history_id: first.history_id, picture: first.picture });
    try {
      const urls = await Promise.all(others.map(async (each) => (await api.job(each.history_id)).pictures.find((one) => one.picture === each.picture)?.url));
      if (urls.length) asked.image_url = urls.filter(Boolean);
    } catch (error) {
      return notify(explain(error), "bad");
    }
  }
  if ((job.parameters.references || []).length > job.parents.length) return notify(word("again_without_upload"), "bad");
  try {
    const { history_id: id } = await api.draw(asked);
    intent = 0;
    absorb(await api.job(id));
    return notify(word("begun"));
  } catch (error) {
    if (error.kind !== "network") intent = 0;
    return notify(explain(error), "bad");
  }
}

const modelOf = (id) => state.options?.models.find((each) => each.id === id);
const takes = (model) => model && model.references !== 0;
const firstThatTakes = () => state.options?.models.find(takes)?.id || "";
const keepAble = (values, model) => Object.fromEntries(Object.entries(values).filter(([name, value]) => model?.choices?.[name]?.includes(value)));

function chosenModel() {
  return modelOf(draft.model) || modelOf(state.options?.default) || state.options?.models[0];
}

/** Of one earlier picture variations can be drawn, without a word of what to change. */
const canVary = () => draft.references.length === 1 && Boolean(draft.references[0].job);

/** The fault that can be seen before anything is sent: by field. */
function faultsOf(model) {
  const faults = {};
  if (!draft.prompt.trim() && !canVary()) faults.prompt = word("prompt_missing");
  const count = draft.references.length;
  if (count && model.references === 0) faults.references = word("takes_no_references", { model: model.id });
  else if (model.references && count > model.references) faults.references = word("too_many_references", { n: model.references });
  else if (draft.references.some((each) => each.state === "failed" || each.mask?.state === "failed")) faults.references = word("reference_failed");
  return faults;
}

function askedFor(model) {
  const known = [...CHOICES, ...MORE_CHOICES, "size", "negative_prompt", "seed", "count"];
  const values = Object.fromEntries(known.filter((name) => draft.values[name] !== undefined && draft.values[name] !== "" && able(model, name)).map((name) => [name, draft.values[name]]));
  for (const name of ["seed", "count"]) if (name in values) values[name] = Number(values[name]);
  if (values.count === 1) delete values.count;
  if (values.size) { delete values.aspect_ratio; delete values.resolution; }
  return { ...(draft.prompt.trim() ? { prompt: draft.prompt } : {}), model: model.id, ...values, ...withoutMask(model, argumentsFor(draft.references)) };
}

/** A mask that was painted for another model is left out. */
const withoutMask = (model, { mask, ...others }) => (mask && model.mask ? { mask, ...others } : others);

function able(model, name) {
  if (name === "count") return (model.most_pictures || 1) > 1;
  return Boolean(model.choices?.[name]?.length) || model.takes?.includes(name);
}

const valueText = (name, value) => {
  const key = `value_${value}`;
  return ["quality", "complexity", "background"].includes(name) ? word(key in WORDS.en ? key : "value_other", { value }) : name === "output_format" ? value.toUpperCase() : value;
};

/** One select for each argument of which the model can do some values. */
function Values({ model, names, problems, onset }) {
  return names.filter((name) => model.choices?.[name]?.length).map((name) => html`<${Choice} key=${name} id=${`draw-${name}`} label=${word(`parameter_${name}`)} value=${draft.values[name] || ""} values=${[["", word("usual")], ...model.choices[name].filter((each) => !each.includes("..")).map((each) => [each, valueText(name, each)])]} problem=${problems[name]} onchange=${(value) => onset(name, value)} />`);
}

function TextField({ name, problems, onset, type = "text", hint = "" }) {
  const id = `draw-${name}`;
  return html`<div class="field">
    <label for=${id}>${word(`parameter_${name}`)}</label>
    <input id=${id} type=${type} inputmode=${type === "number" ? "numeric" : undefined} min=${type === "number" ? 0 : undefined} value=${draft.values[name] || ""} placeholder=${hint} aria-invalid=${problems[name] ? "true" : undefined} aria-describedby=${problems[name] ? `${id}-problem` : undefined} oninput=${(event) => onset(name, event.target.value)} />
    <${Problem} id=${`${id}-problem`} text=${problems[name]} />
  </div>`;
}

function Limits() {
  const limits = (state.options?.limits || []).filter((each) => each.limit > 0 && `limit_${each.name}` in WORDS.en);
  if (!limits.length) return null;
  return html`<p class="hint">${limits.flatMap(limitTexts).join(" · ")}</p>`;
}

/** A limit of a day with what is used of it; one of money once for each currency. */
function limitTexts({ name, limit, used, used_by_currency: spent }) {
  if (!spent) return [word(`limit_${name}`, { used: numeral(used), limit: numeral(limit) })];
  const currencies = Object.entries(spent);
  if (!currencies.length) return [word("limit_spend_unused", { limit: numeral(limit) })];
  return currencies.map(([currency, sum]) => word(`limit_${name}`, { used: money(sum, currency), limit: money(limit, currency) }));
}

function imagesOf(data) {
  return [...(data?.files || [])].filter((each) => each.type.startsWith("image/"));
}

export function DrawBox() {
  const [, count] = useState(0);
  const [problems, setProblems] = useState({});
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const [marking, setMarking] = useState(null);
  const box = useRef(null);
  const prompt = useRef(null);
  redraw = () => count((number) => number + 1);
  forgetProblems = () => setProblems({});
  const options = state.options;
  const model = options && chosenModel();

  useEffect(() => { if (kept("model") && modelOf(kept("model")) && !draft.model) { draft.model = kept("model"); redraw(); } }, [options]);
  useEffect(() => { // as high as its text, where the browser does not do so by itself
    if (CSS.supports("field-sizing", "content") || !prompt.current) return;
    prompt.current.style.height = "auto";
    prompt.current.style.height = `${prompt.current.scrollHeight}px`;
  });

  const set = (name, value) => { draft.values = { ...draft.values, [name]: value }; setProblems({ ...problems, [name]: "" }); redraw(); };
  const add = (files) => {
    draft.references.push(...files.map((each) => ofFile(each, options?.upload, redraw)));
    draft.open = true;
    setProblems({ ...problems, references: "" });
    redraw();
  };
  const show = (found) => {
    draft.open = true;
    setProblems(found);
    requestAnimationFrame(() => (box.current.querySelector("[aria-invalid=true]") || box.current.querySelector(".references button, #add-reference"))?.focus());
  };
  const draw = async () => {
    if (!model || busy) return;
    const faults = faultsOf(model);
    if (Object.keys(faults).length) { show(faults); return; }
    setBusy(true);
    setProblems({});
    await Promise.all(draft.references.flatMap((each) => [each.sent, each.mask?.sent]));
    const unsent = faultsOf(model);
    if (Object.keys(unsent).length) { setBusy(false); show(unsent); return; }
    try {
      const { history_id: id } = await api.draw(askedFor(model));
      draft.references.forEach(letGo);
      Object.assign(draft, { prompt: "", references: [], values: { ...draft.values, count: 1 } }); // several cost more: each time they are chosen
      api.job(id).then(absorb, () => {}); // the events bring it, too
      if (options.limits.length) readOptions();
      notify(word("begun"));
    } catch (error) {
      const field = { image_url: "references", history_id: "references", picture: "references", mask: "references" }[error.field] || error.field;
      show({ [["prompt", "model", "references"].includes(field) || able(model, field) ? field : "prompt"]: explain(error) });
    }
    setBusy(false);
  };
  const onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); draw(); } };
  const onpaste = (event) => { const files = imagesOf(event.clipboardData); if (files.length) { event.preventDefault(); add(files); } };
  const ondrop = (event) => {
    event.preventDefault();
    setOver(false);
    const files = imagesOf(event.dataTransfer);
    const [, id, number] = /#\/p\/(\d+)\/(\d+)/.exec(event.dataTransfer.getData("text/uri-list")) || [];
    const job = state.jobs.find((each) => each.history_id === Number(id));
    const picture = job?.pictures.find((each) => each.picture === Number(number) && each.kept);
    if (files.length) add(files);
    else if (picture) startDrawing([[job, picture]]);
    else setProblems({ references: word("not_droppable") });
  };
  const marked = (file) => {
    if (file !== undefined) putMask(draft.references, marking, file, redraw);
    setMarking(null);
  };
  const chooseModel = (id) => { draft.model = id; keep("model", id); draft.values = { ...keepAble(draft.values, modelOf(id)), count: draft.values.count }; setProblems({}); redraw(); };

  const ranged = model?.choices?.size?.length;
  const hasMore = Boolean(model && (MORE_CHOICES.some((each) => model.choices?.[each]?.length) || ranged || model.takes?.length));
  return html`<section class=${`draw-box ${draft.open ? "open" : ""} ${over ? "over" : ""}`} ref=${box} aria-label=${word("draw_title")} onpaste=${onpaste} onkeydown=${onkeydown} ondragover=${(event) => { event.preventDefault(); setOver(true); }} ondragleave=${(event) => { if (!box.current.contains(event.relatedTarget)) setOver(false); }} ondrop=${ondrop}>
    <div class="line">
      <label class="unseen" for="prompt">${word("prompt")}</label>
      <textarea id="prompt" ref=${prompt} rows="1" value=${draft.prompt} maxlength=${options?.prompt_length || 32000} placeholder=${word(canVary() ? "prompt_vary" : draft.references.length ? "prompt_change" : "prompt_hint")} aria-invalid=${problems.prompt ? "true" : undefined} aria-describedby=${problems.prompt ? "prompt-problem" : undefined}
        onclick=${() => { if (!draft.open) { draft.open = true; redraw(); } }} oninput=${(event) => { draft.open = true; draft.prompt = event.target.value; if (problems.prompt) setProblems({ ...problems, prompt: "" }); redraw(); }}></textarea>
      <button type="button" id="draw" class="button primary" disabled=${busy || !model} onclick=${draw}>${busy ? word("drawing") : word("draw")}</button>
    </div>
    <${Problem} id="prompt-problem" text=${problems.prompt} />
    ${draft.open && model && html`<div class="choices">
      <div class="reference-line">
        <${ReferenceList} references=${draft.references} onmark=${model.mask ? setMarking : undefined} onremove=${(each) => { letGo(each); draft.references = draft.references.filter((other) => other !== each); setProblems({ ...problems, references: "" }); redraw(); }} />
        <input type="file" id="files" class="unseen" multiple accept=${(options.upload?.types || ["image/*"]).join()} tabindex="-1" aria-hidden="true" onchange=${(event) => { add([...event.target.files]); event.target.value = ""; }} />
        ${model.references !== 0 && html`<button type="button" id="add-reference" class="button plain" aria-describedby=${problems.references ? "references-problem" : undefined} onclick=${() => box.current.querySelector("#files").click()}><${Icon} name="plus" /><span>${word("add_reference")}</span></button>`}
        ${model.references !== 0 && !draft.references.length && html`<span class="hint by-mouse">${word("drop_hint")}</span>`}
      </div>
      <${Problem} id="references-problem" text=${problems.references} />
      <div class="fields">
        <${Choice} id="draw-model" label=${word("model")} value=${model.id} values=${options.models.map((each) => [each.id, each.id])} hint=${aboutText(model.about)} problem=${problems.model} onchange=${chooseModel} />
        <${Values} model=${model} names=${CHOICES} problems=${problems} onset=${set} />
        ${able(model, "count") && html`<${Choice} id="draw-count" label=${word("parameter_count")} value=${String(draft.values.count || 1)} values=${Array.from({ length: model.most_pictures }, (_, index) => [String(index + 1), numeral(index + 1)])} problem=${problems.count} onchange=${(value) => set("count", value)} />`}
      </div>
      ${hasMore && html`<details open=${[...MORE_CHOICES, "size", "negative_prompt", "seed"].some((each) => problems[each]) || undefined}><summary>${word("more_choices")}</summary><div class="fields">
        <${Values} model=${model} names=${MORE_CHOICES} problems=${problems} onset=${set} />
        ${ranged && html`<${TextField} name="size" problems=${problems} onset=${set} hint=${model.choices.size.join(", ")} />`}
        ${model.takes?.includes("negative_prompt") && html`<${TextField} name="negative_prompt" problems=${problems} onset=${set} />`}
        ${model.takes?.includes("seed") && html`<${TextField} name="seed" type="number" problems=${problems} onset=${set} />`}
      </div></details>`}
      <div class="foot"><${Limits} /><span class="spacer"></span><span class="hint keys">${word("draw_keys")}</span><${Button} kind="plain" text=${word("close")} onclick=${() => { draft.open = false; redraw(); }} /></div>
    </div>`}
    ${marking && html`<${MaskDialog} source=${marking.job ? sourceOf(marking.picture) : marking.shown} masked=${Boolean(marking.mask)} onend=${marked} />`}
  </section>`;
}
