/**
 * Jobs and pictures as values: the tiles of a job, its shape, its names for people, the arguments to draw it again.
 * Nothing here touches the page.
 */
import { word } from "./words.js";

const ALT_LENGTH = 160;
const WIDTHS = [160, 320, 640, 1280];
const MOST_PICTURES = 8; // pictures of one job
const SHAPES = [0.5, 2.4]; // a tile is no narrower or wider than this; the picture is cut to it

/** The names of a job's parameters in the order in which people read them. */
const PARAMETERS = ["aspect_ratio", "resolution", "size", "quality", "complexity", "background", "output_format", "count", "negative_prompt", "seed", "steps", "guidance", "loras"];

export function cut(text, length) {
  const letters = Array.from(text);
  return letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : text;
}

export function keyOf(historyId, picture) {
  return `${historyId}.${picture}`;
}

/** What a screen reader says of a picture, and what stands in its place while it is missing. */
export function altOf(job) {
  return cut(job.prompt.replace(/\s+/g, " ").trim(), ALT_LENGTH) || word("no_prompt");
}

/** The address of a kept picture, beside the page: the page asks no other origin for anything. */
export function sourceOf(picture, width = 0) {
  return `mcp-cache/${encodeURIComponent(picture.name)}${width ? `?w=${width}` : ""}`;
}

export function sourcesOf(picture) {
  const smaller = WIDTHS.filter((width) => width < picture.width);
  const widths = smaller.length < WIDTHS.length ? [...smaller, WIDTHS[smaller.length]] : WIDTHS;
  return widths.map((width) => `${sourceOf(picture, width)} ${Math.min(width, picture.width || width)}w`).join(", ");
}

export function ratioOf(width, height) {
  return width > 0 && height > 0 ? Math.min(Math.max(width / height, SHAPES[0]), SHAPES[1]) : 1;
}

/** The shape that a picture will have, by what was asked for. */
export function expectedRatio(parameters) {
  const [, width, height] = /^(\d+)[:x](\d+)$/.exec(parameters.size || parameters.aspect_ratio || "") || [];
  return ratioOf(Number(width), Number(height));
}

/** One tile for each picture, and for each that is still to come; one that failed has one. */
export function tilesOf(job) {
  const tile = (picture, number, ratio) => ({ key: keyOf(job.history_id, number), job, picture, number, ratio });
  const there = job.pictures.map((each) => tile(each, each.picture, ratioOf(each.width, each.height)));
  if (job.state !== "working") return there.length ? there : [tile(null, 1, 1.25)];
  const count = Math.min(Math.max(Number(job.parameters.count) || 1, there.length + 1), MOST_PICTURES);
  const coming = Array.from({ length: Math.max(0, count - there.length) }, (_, index) => tile(null, there.length + index + 1, expectedRatio(job.parameters)));
  return [...there, ...coming];
}

/** Name and value of each parameter, as people read them. */
export function parametersOf(job) {
  return PARAMETERS.filter((name) => job.parameters[name] !== undefined && job.parameters[name] !== null).map((name) => {
    const value = job.parameters[name];
    return [name, typeof value === "object" ? JSON.stringify(value) : String(value)];
  });
}

/** The request as text to copy: the prompt, then a line for each parameter. */
export function requestText(job) {
  return [job.prompt, "", `model: ${job.model}`, ...parametersOf(job).map(([name, value]) => `${name}: ${value}`)].join("\n");
}

/** The line by which a chat shows the picture. Nothing in its text can end or nest it. */
export function markdownOf(job, picture) {
  const text = cut(job.prompt.replace(/[[\]()!<>`\\|*_#]/g, " ").replace(/\s+/g, " ").trim(), ALT_LENGTH);
  return `![${text}](${new URL(picture.url, location.href)})`;
}

/** The arguments that draw a job again; what it started from is added by whoever knows the pictures. */
export function argumentsOf(job) {
  const names = PARAMETERS.filter((name) => !["steps", "guidance", "loras"].includes(name) && job.parameters[name] !== undefined);
  return { prompt: job.prompt, model: job.model, ...Object.fromEntries(names.map((name) => [name, job.parameters[name]])) };
}

/** An address that may stand behind a link: nothing but the web. */
export function webAddress(url) {
  return /^https?:\/\//i.test(url || "") ? url : "";
}
