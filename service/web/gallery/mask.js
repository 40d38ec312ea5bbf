/**
 * The part of a picture that is to change: a person paints over it. Strokes are kept as points, so that one can be taken
 * back; what is sent is white where they painted and black elsewhere. Without a pointer, arrows move the brush, Space paints.
 */
import { Button, html, useEffect, useRef, useState } from "./view.js";
import { word } from "./words.js";

const LONGEST = 1536; // pixels of the mask's longer side; services take it in any size
const STRIDE_OF_BRUSH = 0.03; // of the width, for one press of an arrow
const TINT = "#e5484d";

/** Draw strokes on a canvas in one colour. */
function paint(canvas, strokes, colour) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineCap: "round", lineJoin: "round" });
  for (const { points, size } of strokes) {
    const width = size * canvas.width;
    context.lineWidth = width;
    context.beginPath();
    context.arc(points[0][0] * canvas.width, points[0][1] * canvas.height, width / 2, 0, 2 * Math.PI);
    context.fill();
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x * canvas.width, y * canvas.height);
    context.stroke();
  }
}

/** The mask as a file. */
async function maskOf(strokes, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  paint(canvas, strokes, "#fff");
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/png"); });
  return new File([blob], "mask.png", { type: "image/png" });
}

/** `onend` gets the file of the mask, null for "the whole picture", or nothing when the person gave up. */
export function MaskPainter({ source, strokes: earlier = [], onend }) {
  const dialog = useRef(null);
  const canvas = useRef(null);
  const [strokes, setStrokes] = useState(earlier);
  const [size, setSize] = useState(8);
  const [shape, setShape] = useState(null);
  const [brush, setBrush] = useState(null);
  const drawing = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  useEffect(() => { if (shape) paint(canvas.current, strokes, TINT); }, [strokes, shape]);

  const measure = (event) => {
    const { naturalWidth: width, naturalHeight: height } = event.target;
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    setShape({ width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  };
  const at = (event) => {
    const { left, top, width, height } = canvas.current.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  const down = (event) => {
    if (event.button > 0) return;
    event.target.setPointerCapture(event.pointerId);
    drawing.current = { points: [at(event)], size: size / 100 };
    setStrokes([...strokes, drawing.current]);
  };
  const move = (event) => {
    setBrush(at(event));
    if (!drawing.current) return;
    drawing.current.points.push(at(event));
    paint(canvas.current, strokes, TINT);
  };
  const up = () => { drawing.current = null; };
  const onkeydown = (event) => {
    const moves = { ArrowLeft: [-STRIDE_OF_BRUSH, 0], ArrowRight: [STRIDE_OF_BRUSH, 0], ArrowUp: [0, -STRIDE_OF_BRUSH], ArrowDown: [0, STRIDE_OF_BRUSH] };
    const [x, y] = brush || [0.5, 0.5];
    if (moves[event.key]) setBrush([x + moves[event.key][0], y + moves[event.key][1]].map((each) => Math.min(Math.max(each, 0), 1)));
    else if (event.key === " ") setStrokes([...strokes, { points: [[x, y]], size: size / 100 }]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const end = (value, painted) => { dialog.current.close(); onend(value, painted); };
  const done = async () => (strokes.length ? end(await maskOf(strokes, shape.width, shape.height), strokes) : end(null, []));
  const ring = brush && { left: `${brush[0] * 100}%`, top: `${brush[1] * 100}%`, width: `${size}%` };
  return html`<dialog ref=${dialog} class="painter" aria-labelledby="painter-title" oncancel=${(event) => { event.preventDefault(); end(); }}>
    <h2 id="painter-title">${word("mask_title")}</h2>
    <p class="soft" id="painter-text">${word("mask_text")}</p>
    <div class="canvas" style=${shape && { aspectRatio: `${shape.width} / ${shape.height}`, "--shape": String(shape.width / shape.height) }}>
      <img src=${source} alt="" draggable=${false} onload=${measure} />
      ${shape && html`<canvas ref=${canvas} width=${shape.width} height=${shape.height} tabindex="0" role="application" aria-label=${word("mask_canvas")} aria-describedby="painter-text" onpointerdown=${down} onpointermove=${move} onpointerup=${up} onpointercancel=${up} onpointerleave=${() => { if (!drawing.current) setBrush(null); }} onkeydown=${onkeydown}></canvas>`}
      ${ring && html`<span class="ring" style=${ring} aria-hidden="true"></span>`}
    </div>
    <div class="actions">
      <label for="brush">${word("mask_brush")}</label>
      <input id="brush" type="range" min="1" max="30" value=${size} oninput=${(event) => setSize(Number(event.target.value))} />
      <${Button} kind="plain" text=${word("mask_undo")} disabled=${!strokes.length} onclick=${() => setStrokes(strokes.slice(0, -1))} />
      <span class="spacer"></span>
      <${Button} text=${word("cancel")} onclick=${() => end()} />
      <${Button} kind="primary" id="mask-done" text=${strokes.length ? word("mask_done") : word("mask_whole")} onclick=${done} />
    </div>
  </dialog>`;
}
