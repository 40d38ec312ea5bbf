/**
 * A picture to look into: wheel, pinch, double click, drag and keys move a view, and every stage that shows this view
 * follows. `scale` 1 is the whole picture; `x` and `y` are the middle of the view, from 0 to 1 of the picture.
 */
import { Button, html, useEffect, useRef, useState } from "./view.js";
import { word } from "./words.js";

const STEP = 1.4;
const MOST = 12;
const STRIDE = 0.15; // of the view, for one press of an arrow

/** A view that several stages share. */
export class View {
  constructor() {
    this.listeners = new Set();
    this.reset();
  }

  reset() {
    this.set(1, 0.5, 0.5);
  }

  /** The middle stays where a picture is seen at all. */
  set(scale, x, y) {
    this.scale = Math.min(Math.max(scale, 1), MOST);
    const edge = 0.5 / this.scale;
    this.x = Math.min(Math.max(x, edge), 1 - edge);
    this.y = Math.min(Math.max(y, edge), 1 - edge);
    for (const each of this.listeners) each();
  }

  /** Zoom, and keep the point at `px`, `py` (0 to 1 of the view) where it is. */
  zoom(factor, px = 0.5, py = 0.5) {
    const scale = Math.min(Math.max(this.scale * factor, 1), MOST);
    const pointX = this.x + (px - 0.5) / this.scale;
    const pointY = this.y + (py - 0.5) / this.scale;
    this.set(scale, pointX - (px - 0.5) / scale, pointY - (py - 0.5) / scale);
  }

  /** Move by a part of the view. */
  move(dx, dy) {
    this.set(this.scale, this.x + dx / this.scale, this.y + dy / this.scale);
  }
}

export function useView(view) {
  const [, count] = useState(0);
  useEffect(() => {
    const listener = () => count((number) => number + 1);
    view.listeners.add(listener);
    return () => view.listeners.delete(listener);
  }, [view]);
}

/** Let fingers, mouse and wheel on an element move the view; `box` gives the part of it that is one picture. */
function listen(element, view, box) {
  const pointers = new Map();
  const at = (event) => {
    const { left, top, width, height } = box();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  const wheel = (event) => {
    event.preventDefault();
    const [x, y] = at(event);
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), x, y);
  };
  const down = (event) => {
    if (event.target.closest("button, input, a")) return;
    pointers.set(event.pointerId, at(event));
    element.setPointerCapture(event.pointerId);
  };
  const move = (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (pointers.size === 2) {
      const [, other] = [...pointers].find(([id]) => id !== event.pointerId);
      const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1e-3;
      view.zoom(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    view.move((before[0] - now[0]) / pointers.size, (before[1] - now[1]) / pointers.size);
    pointers.set(event.pointerId, now);
  };
  const up = (event) => pointers.delete(event.pointerId);
  const double = (event) => {
    if (event.target.closest("button, input, a")) return;
    if (view.scale > 1) view.reset();
    else view.zoom(3, ...at(event));
  };
  const listeners = { wheel, pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, dblclick: double };
  for (const [name, listener] of Object.entries(listeners)) element.addEventListener(name, listener, { passive: false });
  return () => { for (const [name, listener] of Object.entries(listeners)) element.removeEventListener(name, listener); };
}

/** What a key does to the view; false for a key that does nothing to it. */
export function keyToView(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return false;
  const moves = { ArrowLeft: [-STRIDE, 0], ArrowRight: [STRIDE, 0], ArrowUp: [0, -STRIDE], ArrowDown: [0, STRIDE] };
  if (event.key === "+" || event.key === "=") view.zoom(STEP);
  else if (event.key === "-") view.zoom(1 / STEP);
  else if (event.key === "0") view.reset();
  else if (view.scale > 1 && moves[event.key]) view.move(...moves[event.key]);
  else return false;
  event.preventDefault();
  return true;
}

/** One picture within its stage. `clip` cuts it to what is right of this part of the stage. */
export function Stage({ view, source, preview, alt, width, height, clip, onload, onerror }) {
  const frame = useRef(null);
  const [loaded, setLoaded] = useState(false);
  useView(view);
  useEffect(() => listen(frame.current, view, () => frame.current.firstElementChild.getBoundingClientRect()), [view]);
  useEffect(() => setLoaded(false), [source]);
  const shift = { transform: `translate(${(0.5 - view.x) * 100 * view.scale}%, ${(0.5 - view.y) * 100 * view.scale}%) scale(${view.scale})` };
  const shape = { aspectRatio: `${width} / ${height}`, "--shape": String(width / height) };
  return html`<div class=${`stage ${view.scale > 1 ? "zoomed" : ""}`} ref=${frame} style=${clip === undefined ? undefined : { clipPath: `inset(0 0 0 ${clip}%)` }}>
    <div class="sheet" style=${shape}><div class="shifted" style=${shift}>
      ${preview && !loaded && html`<img class="preview" src=${preview} alt="" aria-hidden="true" draggable=${false} />`}
      <img key=${source} class="whole" src=${source} alt=${alt} width=${width} height=${height} draggable=${false} onload=${() => { setLoaded(true); onload?.(); }} onerror=${onerror} />
    </div></div>
  </div>`;
}

export function ZoomButtons({ view }) {
  useView(view);
  return html`<div class="zoom-buttons" role="group" aria-label=${word("zoom")}>
    <${Button} icon="minus" label=${word("zoom_out")} disabled=${view.scale <= 1} onclick=${() => view.zoom(1 / STEP)} />
    <output>${Math.round(view.scale * 100)} %</output>
    <${Button} icon="plus" label=${word("zoom_in")} disabled=${view.scale >= MOST} onclick=${() => view.zoom(STEP)} />
    <${Button} icon="fit" label=${word("zoom_fit")} disabled=${view.scale <= 1} onclick=${() => view.reset()} />
  </div>`;
}
