/** Two pictures beside each other, or one under the other with a slider; both are zoomed and moved together. */
import { api } from "./api.js";
import { explain } from "./store.js";
import { altOf, cut, sourceOf } from "./values.js";
import { Blank, Button, html, useEffect, useLayoutEffect, useRef, useState } from "./view.js";
import { word } from "./words.js";
import { keyToView, Stage, View, ZoomButtons } from "./zoom.js";

function usePair(one, other) {
  const [pair, setPair] = useState(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let left = false;
    const read = async ([historyId, number]) => {
      const job = await api.job(historyId);
      return { job, picture: job.pictures.find((each) => each.picture === number) };
    };
    Promise.all([one, other].map(read)).then(
      (found) => { if (!left) setPair(found); },
      (error) => { if (!left) setProblem(error.status === 404 ? word("no_such_picture") : explain(error)); },
    );
    return () => { left = true; };
  }, []);
  return [pair, problem];
}

export function ComparePage({ one, other, onback }) {
  const [pair, problem] = usePair(one, other);
  const [view] = useState(() => new View());
  const [slides, setSlides] = useState(false);
  const [split, setSplit] = useState(50);
  const panel = useRef(null);
  useLayoutEffect(() => panel.current.focus(), []);
  useEffect(() => { document.title = `${word("compare")} – Easel`; }, []);
  const onkeydown = (event) => {
    if (keyToView(view, event)) return;
    if (event.key === "Escape") onback();
  };
  const missing = pair?.find((each) => !each.picture?.kept);
  const stage = ({ job, picture }, clip) => html`<${Stage} view=${view} source=${sourceOf(picture)} preview=${sourceOf(picture, 640)} alt=${altOf(job)} width=${picture.width || 1} height=${picture.height || 1} clip=${clip} />`;
  let body = html`<div class="blank" role="status"><span class="unseen">${word("loading")}</span></div>`;
  if (problem || missing) body = html`<${Blank} icon="picture" title=${problem || word("gone_title")} role="alert"><${Button} kind="primary" text=${word("back")} onclick=${onback} /></${Blank}>`;
  else if (pair && slides) {
    body = html`<div class="over-another">
      ${stage(pair[0])}${stage(pair[1], split)}
      <div class="cut" style=${{ left: `${split}%` }} aria-hidden="true"></div>
      <input type="range" min="0" max="100" value=${split} aria-label=${word("slider")} oninput=${(event) => setSplit(Number(event.target.value))} />
    </div>`;
  } else if (pair) {
    body = html`<div class="side-by-side">${pair.map((each, index) => html`<figure key=${index}>${stage(each)}<figcaption><a href=${`#/p/${each.job.history_id}/${each.picture.picture}`}>${cut(each.job.prompt, 90)}</a><span class="soft">${each.job.model} · ${each.picture.width} × ${each.picture.height}</span></figcaption></figure>`)}</div>`;
  }
  return html`<div class="compare-page" ref=${panel} tabindex="-1" role="dialog" aria-modal="true" aria-label=${word("compare")} onkeydown=${onkeydown}>
    <div class="bar-top">
      <${Button} icon="close" label=${word("back")} kind="over" onclick=${onback} />
      <div class="segments" role="group" aria-label=${word("compare")}>
        <button type="button" aria-pressed=${String(!slides)} onclick=${() => setSlides(false)}>${word("side_by_side")}</button>
        <button type="button" aria-pressed=${String(slides)} onclick=${() => setSlides(true)}>${word("with_slider")}</button>
      </div>
      <div class="spacer"></div>
      <${ZoomButtons} view=${view} />
    </div>
    ${body}
  </div>`;
}
