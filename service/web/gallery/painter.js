// A brush over a picture: the person paints the part that is to change. Used by the page of a mask's link, and wherever
// else a mask is painted. Nothing here knows where the picture comes from or where the mask goes.
//
// The picture and the painting are two layers that the browser moves and scales by itself; a stroke touches the painting
// alone, and there only what it covers. So a large picture stays as quick under the brush as a small one.

const PAINTER_PIXELS = 4e6; // of the painting: finer than any brush, and small enough for a phone
const PAINTER_REMEMBERED = 24e6; // pixels of the past that can be undone, 96 MB
const PAINTER_BRUSH = { least: 4, most: 240, usual: 44 }; // on the screen, so that zooming in paints finer
const PAINTER_COLOUR = "#f0f"; // seen on most pictures; a mark in the corner of a photo is hardly ever of it

export const PAINTER_WORDS = {
  en: {
    paint: "Paint", erase: "Erase", move: "Move", size: "Brush size", undo: "Undo", redo: "Redo", invert: "Invert",
    clear: "Clear", zoom_in: "Zoom in", zoom_out: "Zoom out", fit: "Show all", tools: "Brush", view: "View",
    stage: "The picture, to be painted over",
    keys: "Arrow keys move the brush. Space puts it down and lifts it, Enter paints a dot. B paints, E erases, M moves the picture. [ and ] change the size of the brush, I inverts, plus, minus and 0 zoom, Control Z undoes.",
    nothing: "Nothing is painted yet.", share: (percent) => `${percent} % is painted.`,
    everything: "All of it is painted. Leave free what is to stay.",
    down: "Brush down", up: "Brush up", undone: "Undone", redone: "Redone", inverted: "Inverted", cleared: "Cleared",
  },
  "zh-Hans": {
    paint: "涂抹", erase: "擦除", move: "移动", size: "画笔大小", undo: "撤销", redo: "重做", invert: "反选",
    clear: "清空", zoom_in: "放大", zoom_out: "缩小", fit: "显示全部", tools: "画笔", view: "视图",
    stage: "要涂抹的图片",
    keys: "方向键移动画笔，空格键落笔或抬笔，回车键点一下。B 涂抹，E 擦除，M 移动图片，[ 和 ] 改变画笔大小，I 反选，加号、减号和 0 缩放，Ctrl+Z 撤销。",
    nothing: "还没有涂抹。", share: (percent) => `已涂抹 ${percent} %。`,
    everything: "全部都涂抹了。请留出不要改的部分。",
    down: "落笔", up: "抬笔", undone: "已撤销", redone: "已重做", inverted: "已反选", cleared: "已清空",
  },
  "zh-Hant": {
    paint: "塗抹", erase: "擦除", move: "移動", size: "畫筆大小", undo: "復原", redo: "重做", invert: "反轉",
    clear: "清除", zoom_in: "放大", zoom_out: "縮小", fit: "顯示全部", tools: "畫筆", view: "檢視",
    stage: "要塗抹的圖片",
    keys: "方向鍵移動畫筆，空白鍵落筆或抬筆，Enter 鍵點一下。B 塗抹，E 擦除，M 移動圖片，[ 和 ] 改變畫筆大小，I 反轉，加號、減號和 0 縮放，Ctrl+Z 復原。",
    nothing: "還沒有塗抹。", share: (percent) => `已塗抹 ${percent} %。`,
    everything: "全部都塗抹了。請留出不要改的部分。",
    down: "落筆", up: "抬筆", undone: "已復原", redone: "已重做", inverted: "已反轉", cleared: "已清除",
  },
};

const PAINTER_ICONS = {
  paint: "M4 20c3 0 5-1 5-4l8-9a2 2 0 0 1 3 3l-9 8c0 3-3 4-7 2z",
  erase: "M9 20h11M5 15l8-9a2 2 0 0 1 3 0l3 3a2 2 0 0 1 0 3l-8 8H9l-4-4z",
  move: "M12 3v18M3 12h18M12 3l-3 3m3-3 3 3M12 21l-3-3m3 3 3-3M3 12l3-3m-3 3 3 3M21 12l-3-3m3 3-3 3",
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  invert: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18M12 7h5M12 11h7M12 15h6",
  clear: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  zoom_in: "M11 8v6M8 11h6M16 16l5 5M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
  zoom_out: "M8 11h6M16 16l5 5M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};

/**
 * Put the picture `image`, which has loaded, and the brush into `host`. `language` is en, zh-Hans or zh-Hant.
 * `onChange` is told the painted share from 0 to 1, and whether anything and everything is painted.
 * Gives `mask`, which makes a PNG, white where it is painted and black elsewhere; `lock`, which stops the brush while
 * the mask is on its way; and `close`.
 */
export function maskPainter({ host, image, language, onChange }) {
  const words = PAINTER_WORDS[language] || PAINTER_WORDS.en;
  const [fullWidth, fullHeight] = [image.naturalWidth, image.naturalHeight];
  const ratio = Math.min(1, Math.sqrt(PAINTER_PIXELS / (fullWidth * fullHeight)));
  const [width, height] = [fullWidth, fullHeight].map((each) => Math.max(1, Math.round(each * ratio)));
  const painting = canvas(width, height); // what is seen
  const before = canvas(width, height); // the same without the stroke that is being made
  const ink = painting.getContext("2d");
  const view = { x: 0, y: 0, scale: 1, fits: true };
  const pointers = new Map();
  const cursor = { x: fullWidth / 2, y: fullHeight / 2 };
  let [past, future] = [[], []];
  let [tool, size, stroke, grip, penSeen, locked, measuring] = ["paint", PAINTER_BRUSH.usual, null, null, false, false, 0];

  const stage = element("div", { className: "painter-stage", tabIndex: 0 }, { role: "application", "aria-label": words.stage });
  const sheet = element("div", { className: "painter-sheet" });
  const ring = element("div", { className: "painter-ring", hidden: true });
  const keys = element("p", { className: "unseen", id: "painter-keys", textContent: words.keys });
  const said = element("p", { className: "painter-said soft" }, { role: "status" });
  const heard = element("p", { className: "unseen" }, { "aria-live": "polite" });
  const slider = element("input", { type: "range", min: PAINTER_BRUSH.least, max: PAINTER_BRUSH.most, value: size }, { "aria-label": words.size });
  const buttons = {};
  for (const name of ["paint", "erase", "move"]) buttons[name] = button(name, () => choose(name), true);
  const acts = { undo: () => step(past, future, words.undone), redo: () => step(future, past, words.redone), invert, clear };
  for (const [name, act] of Object.entries(acts)) buttons[name] = button(name, act);
  const views = { zoom_out: () => zoom(1 / 1.5), fit, zoom_in: () => zoom(1.5) };
  for (const [name, act] of Object.entries(views)) buttons[name] = button(name, act);
  const group = (name, label, ...members) => {
    const made = element("div", { className: `painter-${name}` }, { role: "group", "aria-label": label });
    made.append(...members);
    return made;
  };
  const brush = element("div", { className: "painter-size" });
  brush.append(slider);
  const tools = group("tools", words.tools, buttons.paint, buttons.erase, buttons.move, brush);
  const steps = group("steps", words.tools, buttons.undo, buttons.redo, buttons.invert, buttons.clear);
  stage.setAttribute("aria-describedby", keys.id);
  image.alt = "";
  image.draggable = false;
  sheet.append(image, painting);
  stage.append(sheet, ring);
  host.classList.add("painter");
  host.replaceChildren(stage, group("view", words.view, buttons.zoom_out, buttons.fit, buttons.zoom_in), keys, heard, said, tools, steps);
  Object.assign(sheet.style, { width: `${fullWidth}px`, height: `${fullHeight}px` });

  function element(name, values, attributes = {}) {
    const made = Object.assign(document.createElement(name), values);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function button(name, act, isTool = false) {
    const made = element("button", { type: "button", className: "button painter-button", title: words[name], onclick: act }, { "data-act": name });
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("class", "icon");
    icon.setAttribute("aria-hidden", "true");
    icon.append(document.createElementNS(icon.namespaceURI, "path"));
    icon.firstChild.setAttribute("d", PAINTER_ICONS[name]);
    made.append(icon, element("span", { textContent: words[name], className: isTool ? "" : "unseen" }));
    return made;
  }

  function canvas(across, down) {
    const made = document.createElement("canvas");
    [made.width, made.height] = [Math.max(1, across), Math.max(1, down)];
    return made;
  }

  // The view

  function place() {
    const { clientWidth, clientHeight } = stage;
    const room = 48; // of the picture that stays in sight, however far it is moved
    view.x = Math.min(clientWidth - room, Math.max(room - fullWidth * view.scale, view.x));
    view.y = Math.min(clientHeight - room, Math.max(room - fullHeight * view.scale, view.y));
    sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    sheet.classList.toggle("is-near", view.scale * ratio >= 3);
    buttons.fit.disabled = locked || view.fits;
  }

  function fit() {
    const { clientWidth, clientHeight } = stage;
    view.scale = Math.min(clientWidth / fullWidth, clientHeight / fullHeight) || 1;
    view.x = (clientWidth - fullWidth * view.scale) / 2;
    view.y = (clientHeight - fullHeight * view.scale) / 2;
    view.fits = true;
    place();
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const whole = Math.min(stage.clientWidth / fullWidth, stage.clientHeight / fullHeight) || 1;
    const scale = Math.min(Math.max(16, whole * 4), Math.max(whole / 2, view.scale * factor));
    view.x = x - (x - view.x) * (scale / view.scale);
    view.y = y - (y - view.y) * (scale / view.scale);
    view.scale = scale;
    view.fits = false;
    place();
  }

  /** Show the brush around a place on the stage. */
  function show(x, y, across = size) {
    ring.hidden = tool === "move" || locked;
    Object.assign(ring.style, { width: `${across}px`, height: `${across}px`, transform: `translate(${x - across / 2}px, ${y - across / 2}px)` });
  }

  function choose(name) {
    tool = name;
    for (const each of ["paint", "erase", "move"]) buttons[each].setAttribute("aria-pressed", each === tool);
    stage.dataset.tool = tool;
    ring.classList.toggle("erases", tool === "erase");
  }

  function resize(value) {
    size = Math.min(PAINTER_BRUSH.most, Math.max(PAINTER_BRUSH.least, Math.round(value)));
    slider.value = size;
  }

  // The brush

  function at(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  }

  function onPicture({ x, y }) {
    return { x: ((x - view.x) / view.scale) * ratio, y: ((y - view.y) / view.scale) * ratio };
  }

  /** The width of a stroke in pixels of the painting: a pen paints thinner the less it is pressed. */
  function across(event) {
    const pressed = event?.pointerType === "pen" && event.pressure > 0 ? 0.2 + 0.8 * event.pressure : 1;
    return Math.max(1, (size * pressed * ratio) / view.scale);
  }

  function begin(point, wide, erases) {
    stroke = { erases, last: point, left: width, top: height, right: 0, bottom: 0, begun: performance.now() };
    draw(point, wide);
  }

  function draw(point, wide) {
    ink.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
    ink.fillStyle = ink.strokeStyle = PAINTER_COLOUR;
    ink.lineWidth = wide;
    ink.lineCap = "round";
    ink.beginPath();
    if (point === stroke.last) {
      ink.arc(point.x, point.y, wide / 2, 0, 2 * Math.PI);
      ink.fill();
    } else {
      ink.moveTo(stroke.last.x, stroke.last.y);
      ink.lineTo(point.x, point.y);
      ink.stroke();
    }
    const reach = wide / 2 + 2;
    for (const { x, y } of [stroke.last, point]) {
      stroke.left = Math.min(stroke.left, x - reach);
      stroke.top = Math.min(stroke.top, y - reach);
      stroke.right = Math.max(stroke.right, x + reach);
      stroke.bottom = Math.max(stroke.bottom, y + reach);
    }
    stroke.last = point;
  }

  /** The rectangle that a stroke has touched, within the painting. */
  function touched({ left, top, right, bottom }) {
    const [x, y] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))];
    return { x, y, across: Math.min(width, Math.ceil(right)) - x, down: Math.min(height, Math.ceil(bottom)) - y };
  }

  function copy(source, { x, y, across, down }) {
    const made = canvas(across, down);
    made.getContext("2d").drawImage(source, x, y, across, down, 0, 0, across, down);
    return made;
  }

  function restore(target, { x, y, across, down }, part) {
    const context = target.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.clearRect(x, y, across, down);
    context.drawImage(part, x, y);
  }

  function end() {
    if (!stroke) return;
    const place = touched(stroke);
    stroke = null;
    if (place.across > 0 && place.down > 0) remember(place);
  }

  /** Take back a stroke that was none, since a second finger came. */
  function abandon() {
    const place = touched(stroke);
    stroke = null;
    if (place.across > 0 && place.down > 0) restore(painting, place, copy(before, place));
  }

  function remember(place) {
    past.push({ place, part: copy(before, place) });
    restore(before, place, copy(painting, place));
    future = [];
    const pixels = ({ place: each }) => (each ? each.across * each.down : 0);
    let held = past.reduce((sum, each) => sum + pixels(each), 0);
    while (held > PAINTER_REMEMBERED && past.length > 1) held -= pixels(past.shift());
    changed();
  }

  function flip() {
    for (const each of [painting, before]) {
      const context = each.getContext("2d");
      context.globalCompositeOperation = "xor";
      context.fillStyle = PAINTER_COLOUR;
      context.fillRect(0, 0, width, height);
    }
  }

  function step(from, to, word) {
    if (stroke || !from.length) return;
    const { place, part } = from.pop();
    to.push(place ? { place, part: copy(painting, place) } : {});
    if (place) for (const each of [painting, before]) restore(each, place, part);
    else flip();
    changed(word);
  }

  function invert() {
    end();
    flip();
    past.push({});
    future = [];
    changed(words.inverted);
  }

  function clear() {
    end();
    ink.clearRect(0, 0, width, height);
    remember({ x: 0, y: 0, across: width, down: height });
    heard.textContent = words.cleared;
  }

  function changed(word = "") {
    heard.textContent = word;
    allow();
    clearTimeout(measuring);
    measuring = setTimeout(measure, 120);
  }

  function allow() {
    for (const each of Object.values(buttons)) each.disabled = locked;
    slider.disabled = locked;
    buttons.undo.disabled ||= !past.length;
    buttons.redo.disabled ||= !future.length;
    buttons.fit.disabled ||= view.fits;
  }

  function measure() {
    const { data } = ink.getImageData(0, 0, width, height);
    let count = 0;
    for (let alpha = 3; alpha < data.length; alpha += 4) count += data[alpha] >> 7;
    const share = count / (width * height);
    const percent = Math.min(99, Math.max(1, Math.round(share * 100)));
    said.textContent = count === 0 ? words.nothing : share === 1 ? words.everything : words.share(percent);
    onChange({ share, isEmpty: count === 0, isFull: share === 1 });
  }

  // Mouse, touch and pen

  function down(event) {
    if (locked || event.button === 2) return;
    event.preventDefault();
    stage.focus({ preventScroll: true, focusVisible: false });
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    penSeen ||= event.pointerType === "pen";
    if (pointers.size > 1) {
      if (stroke) performance.now() - stroke.begun < 400 ? abandon() : end();
      grip = { ...spread(), ...view };
      return;
    }
    // Beside a pen the hand rests on the screen: it moves the picture, and paints nothing.
    if (tool === "move" || event.button === 1 || (penSeen && event.pointerType === "touch")) {
      grip = { ...spread(), ...view };
      return;
    }
    begin(onPicture(at(event)), across(event), tool === "erase" || (event.buttons & 32) > 0);
  }

  function moved(event) {
    const place = at(event);
    show(place.x, place.y);
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, place);
    if (grip) return pinch();
    if (!stroke) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) draw(onPicture(at(each)), across(each));
  }

  function lifted(event) {
    if (!pointers.delete(event.pointerId)) return;
    end();
    grip = pointers.size ? { ...spread(), ...view } : null;
    if (event.pointerType !== "mouse") ring.hidden = true;
  }

  /** The middle of the fingers, and how far they are apart. */
  function spread() {
    const [one, other = one] = [...pointers.values()];
    return { middle: { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 }, apart: Math.hypot(one.x - other.x, one.y - other.y) };
  }

  function pinch() {
    const { middle, apart } = spread();
    Object.assign(view, { x: grip.x + middle.x - grip.middle.x, y: grip.y + middle.y - grip.middle.y, scale: grip.scale, fits: false });
    if (apart && grip.apart) zoom(apart / grip.apart, middle.x, middle.y);
    else place();
  }

  function wheel(event) {
    event.preventDefault();
    const { x, y } = at(event);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    if (!locked) zoom(Math.exp(-Math.max(-120, Math.min(120, pixels)) * (event.ctrlKey ? 0.01 : 0.002)), x, y);
  }

  // The keyboard

  function onStage() {
    return { x: cursor.x * view.scale + view.x, y: cursor.y * view.scale + view.y };
  }

  function key(event) {
    if (locked || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      const name = event.key.toLowerCase();
      if (name !== "z" && name !== "y") return;
      event.preventDefault();
      return name === "y" || event.shiftKey ? acts.redo() : acts.undo();
    }
    if (event.target !== stage) return;
    const act = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act(event);
  }

  const walk = (x, y) => (event) => {
    const far = Math.max(2, event.shiftKey ? size : size / 4) / view.scale;
    cursor.x = Math.min(fullWidth, Math.max(0, cursor.x + x * far));
    cursor.y = Math.min(fullHeight, Math.max(0, cursor.y + y * far));
    const { x: left, y: top } = onStage();
    view.x -= Math.min(0, left - 24) + Math.max(0, left - stage.clientWidth + 24);
    view.y -= Math.min(0, top - 24) + Math.max(0, top - stage.clientHeight + 24);
    place();
    if (stroke) draw({ x: cursor.x * ratio, y: cursor.y * ratio }, across());
    show(onStage().x, onStage().y);
  };

  function put() {
    if (stroke) end();
    else if (tool !== "move") begin({ x: cursor.x * ratio, y: cursor.y * ratio }, across(), tool === "erase");
    heard.textContent = stroke ? words.down : words.up;
    show(onStage().x, onStage().y);
  }

  const KEYS = {
    ArrowLeft: walk(-1, 0), ArrowRight: walk(1, 0), ArrowUp: walk(0, -1), ArrowDown: walk(0, 1),
    " ": (event) => event.repeat || put(),
    Enter: () => { if (!stroke) put(); end(); },
    Escape: () => end(),
    b: () => choose("paint"), e: () => choose("erase"), m: () => choose("move"), i: invert,
    "[": () => resize(size / 1.25), "]": () => resize(size * 1.25),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
  };

  slider.oninput = () => {
    resize(Number(slider.value));
    show(stage.clientWidth / 2, stage.clientHeight / 2);
  };
  slider.onchange = slider.onblur = () => { ring.hidden = true; };
  stage.onpointerdown = down;
  stage.onpointermove = moved;
  stage.onpointerup = stage.onpointercancel = lifted;
  stage.onpointerleave = () => { ring.hidden = true; };
  stage.oncontextmenu = (event) => event.preventDefault();
  stage.addEventListener("wheel", wheel, { passive: false });
  stage.onfocus = () => { if (stage.matches(":focus-visible")) show(onStage().x, onStage().y); };
  stage.onblur = () => { end(); ring.hidden = true; };
  host.addEventListener("keydown", key);
  const watcher = new ResizeObserver(() => (view.fits ? fit() : place()));
  watcher.observe(stage);
  choose("paint");
  resize(size);
  fit();
  allow();
  measure();

  return {
    async mask() {
      end();
      const made = canvas(width, height);
      const context = made.getContext("2d");
      context.drawImage(painting, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      context.globalCompositeOperation = "destination-over";
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
      return new Promise((done, fail) => made.toBlob((blob) => (blob ? done(blob) : fail(new Error("no mask"))), "image/png"));
    },
    lock(is) {
      end();
      locked = is;
      stage.classList.toggle("is-locked", is);
      allow();
    },
    close() {
      watcher.disconnect();
      clearTimeout(measuring);
      host.removeEventListener("keydown", key);
      host.replaceChildren();
    },
  };
}
