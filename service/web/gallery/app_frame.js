/**
 * The frame in which a host shows the view: its language, colours and room by what the host says, its height, and the
 * focus, which stays where a person had it while what is shown changes.
 */
import { dress, speak } from "./words.js";

const INLINE_HEIGHT = 500; // of a view in a chat, by the rules of hosts
const PATIENCE_MS = 500; // in which a host has given its frame the height that it was told
const LEAST_HEIGHT = 200; // a host that tells less has not laid out its frame yet
const SIDES = ["top", "right", "bottom", "left"];
const OURS = {
  "--color-text-primary": "--ink", "--color-text-secondary": "--soft", "--color-background-primary": "--sheet",
  "--color-background-secondary": "--hollow", "--color-border-primary": "--line", "--font-sans": "--type",
};

let room = INLINE_HEIGHT;
let toldHeight = 0;
let heldId = null;
let measuring = 0;

export function isFullScreen() {
  return document.documentElement.dataset.mode === "fullscreen";
}

/** Take the look of the frame from the context of the host. */
export function dressFrame({ theme, locale = "", styles = {}, displayMode, safeAreaInsets = {}, containerDimensions = {} }) {
  const root = document.documentElement;
  dress(theme === "dark" || theme === "light" ? theme : "");
  speak(!/^zh\b/i.test(locale) ? "en" : /hant|tw|hk|mo/i.test(locale) ? "zh-Hant" : "zh-Hans");
  for (const [theirs, ours] of Object.entries(OURS)) {
    const value = (styles.variables || {})[theirs];
    if (value) root.style.setProperty(ours, value);
    else root.style.removeProperty(ours);
  }
  root.dataset.mode = displayMode === "fullscreen" ? "fullscreen" : "inline";
  for (const side of SIDES) root.style.setProperty(`--${side}`, `${Number(safeAreaInsets[side]) || 0}px`);
  const { maxHeight } = containerDimensions;
  room = maxHeight >= LEAST_HEIGHT ? Math.min(maxHeight, INLINE_HEIGHT) : INLINE_HEIGHT;
  root.style.setProperty("--room", `${room}px`);
}

/**
 * Set the height on the document, for hosts that measure it, and tell it, for those that ask. In the frame of a host
 * that does neither the view scrolls; a bar that came and went while a frame grows would move everything in it.
 */
export function fitFrame(host) {
  const root = document.documentElement;
  const content = Math.ceil(document.getElementById("view").getBoundingClientRect().height);
  const height = isFullScreen() ? content : Math.min(content, room);
  root.style.height = isFullScreen() ? "" : `${height}px`;
  clearTimeout(measuring);
  measuring = setTimeout(() => root.toggleAttribute("data-low", window.innerHeight < height), PATIENCE_MS);
  if (!host.isReady || height === toldHeight) return;
  toldHeight = height;
  host.tell("ui/notifications/size-changed", { width: root.clientWidth, height });
}

/** Give the focus back to a person who uses keys, where the button that had it is gone or was out of use. */
export function keepFocus() {
  if (heldId === null || !document.hasFocus() || document.activeElement !== document.body) return;
  const next = (heldId && document.getElementById(heldId)) || document.querySelector("#view button:enabled");
  if (next && !next.disabled) next.focus({ preventScroll: true }); // else it is out of use for a moment
}

document.addEventListener("focusin", ({ target }) => { heldId = target.id; });
document.addEventListener("pointerdown", () => { heldId = null; }, true);
