/** What a picture was made from, and what was made from it: a small tree of thumbnails, read step by step. */
import { api } from "./api.js";
import { altOf, sourceOf } from "./values.js";
import { html, Icon, useEffect, useState } from "./view.js";
import { word } from "./words.js";

const UP = 3; // generations before this one
const FEW = 12; // pictures made from it that are shown

async function find(historyId) {
  try {
    return await api.job(historyId);
  } catch {
    return null; // it was deleted; its place in the tree says so
  }
}

/** The pictures that this one was made from, each with those before it. */
async function before(parents, depth) {
  return Promise.all(
    parents.map(async (each) => {
      const job = await find(each.history_id);
      return { ...each, job, parents: job && depth > 1 ? await before(job.parents, depth - 1) : [] };
    }),
  );
}

async function family(job) {
  const children = job.children || [];
  const [parents, made] = await Promise.all([
    before(job.parents, UP),
    Promise.all(children.slice(0, FEW).map(async (each) => ({ ...each, job: await find(each.history_id) }))),
  ]);
  return { parents, made, more: children.length - made.length };
}

function Leaf({ node }) {
  const { job, history_id: historyId, picture } = node;
  const shown = job?.pictures.find((each) => each.picture === picture) || job?.pictures[0];
  if (!job) return html`<span class="leaf"><span class="thumb"><${Icon} name="picture" /></span><span>${word("deleted_entry", { id: historyId })}</span></span>`;
  return html`<a class="leaf" href=${`#/p/${historyId}/${shown?.picture || 1}`}>
    <span class="thumb">${shown?.kept ? html`<img src=${sourceOf(shown, 160)} alt="" width="56" height="56" loading="lazy" />` : html`<${Icon} name=${job.state === "failed" ? "warning" : "picture"} />`}</span>
    <span>${altOf(job)}</span>
  </a>`;
}

/** From the oldest down to this one: what lies within an entry was made from it. */
function Branch({ node }) {
  return html`<li><${Leaf} node=${node} />${node.parents.length > 0 && html`<ul>${node.parents.map((each) => html`<${Branch} key=${each.history_id} node=${each} />`)}</ul>`}</li>`;
}

export function Family({ job }) {
  const [found, setFound] = useState(null);
  const known = JSON.stringify([job.history_id, job.parents, job.children]);
  useEffect(() => {
    let left = false;
    setFound(null);
    if (job.parents.length || job.children?.length) family(job).then((each) => { if (!left) setFound(each); });
    return () => { left = true; };
  }, [known]);
  if (!found) return null;
  return html`<div class="family">
    ${found.parents.length > 0 && html`<section><h2>${word("made_from")}</h2><ul class="tree">${found.parents.map((each) => html`<${Branch} key=${each.history_id} node=${each} />`)}</ul></section>`}
    ${found.made.length > 0 && html`<section><h2>${word("made_from_it")}</h2><ul class="tree flat">${found.made.map((each) => html`<li key=${each.history_id}><${Leaf} node=${each} /></li>`)}</ul>${found.more > 0 && html`<p class="soft">${word("and_more", { n: found.more })}</p>`}</section>`}
  </div>`;
}
