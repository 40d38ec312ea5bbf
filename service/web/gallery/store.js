/**
 * What the page knows: the jobs that it has loaded, newest first, and what the person does with them. One object, changed
 * by the functions here alone; `useStore` draws a part of the page again after each change.
 */
import { api, follow } from "./api.js";
import { useEffect, useState } from "./view.js";
import { tilesOf } from "./values.js";
import { word } from "./words.js";

export const FILTERS = ["query", "model", "state", "parents", "from", "to"];
const AGAIN_MS = 4000; // between two tries to reach the server
const NOTICE_MS = 6000;

export const state = {
  filters: {},
  jobs: [],
  next: null,
  total: 0,
  /** There are more than `total`: counting ended there. */
  atLeast: false,
  /** loading, more, ready, failed */
  status: "loading",
  problem: null,
  /** New jobs that are held back while the person is further down, so that nothing moves under their eyes. */
  waiting: [],
  holdBack: false,
  connected: true,
  signedOut: false,
  options: null,
  selecting: false,
  selected: new Set(),
  notice: null,
};

const listeners = new Set();
let told = false;
let tiles = [];
let tiled = null; // the jobs that these tiles are of
const tilesByJob = new WeakMap();
let asked = 0;

/** Draw again what shows the state, once for all changes of this moment. */
export function changed() {
  if (told) return;
  told = true;
  queueMicrotask(() => {
    told = false;
    for (const each of [...listeners]) each();
  });
}

export function useStore() {
  const [, count] = useState(0);
  useEffect(() => {
    const listener = () => count((number) => number + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return state;
}

/** The tiles of the jobs that are loaded. Those of a job stay the same as long as the job does. */
export function allTiles() {
  if (tiled !== state.jobs) {
    tiled = state.jobs;
    tiles = state.jobs.flatMap((job) => {
      if (!tilesByJob.has(job)) tilesByJob.set(job, tilesOf(job));
      return tilesByJob.get(job);
    });
  }
  return tiles;
}

export function jobOf(historyId) {
  return state.jobs.find((each) => each.history_id === historyId) || state.waiting.find((each) => each.history_id === historyId);
}

let noticeTimer = 0;
/** Say something at the edge of the page for some seconds. */
export function notify(text, kind = "") {
  clearTimeout(noticeTimer);
  state.notice = { text, kind };
  noticeTimer = setTimeout(() => { state.notice = null; changed(); }, NOTICE_MS);
  changed();
}

/** Take a refusal note: without a session nothing else goes on. Returns the words for it. */
export function explain(error) {
  if (error.kind === "signed_out") state.signedOut = true;
  changed();
  return error.message;
}

/** Show the jobs that these filters let through. */
export async function load(filters) {
  const mine = (asked += 1);
  Object.assign(state, { filters, jobs: [], waiting: [], next: null, status: "loading", problem: null });
  changed();
  try {
    const page = await api.jobs(filters);
    if (mine !== asked) return;
    Object.assign(state, { jobs: page.jobs, next: page.next, total: page.total, atLeast: page.at_least, status: "ready" });
  } catch (error) {
    if (mine !== asked) return;
    Object.assign(state, { status: "failed", problem: { ...error, text: explain(error) } });
  }
  changed();
}

/** Add the next older jobs. */
export async function loadMore() {
  if (state.status !== "ready" || state.next === null) return;
  const mine = asked;
  state.status = "more";
  state.problem = null;
  changed();
  try {
    const page = await api.jobs(state.filters, state.next);
    if (mine !== asked) return;
    const known = new Set(state.jobs.map((each) => each.history_id));
    state.jobs = [...state.jobs, ...page.jobs.filter((each) => !known.has(each.history_id))];
    state.next = page.next;
    state.status = "ready";
  } catch (error) {
    if (mine !== asked) return;
    Object.assign(state, { status: "ready", problem: { ...error, text: explain(error) } });
  }
  changed();
}

/** Whether a new job belongs among those that are shown. */
function matches(job, filters) {
  const words = (filters.query || "").toLowerCase().split(/\s+/).filter(Boolean);
  const text = job.prompt.toLowerCase();
  return words.every((each) => text.includes(each)) && (!filters.model || filters.model === job.model) && (!filters.state || filters.state === job.state) && (!filters.parents || (filters.parents === "yes") === job.parents.length > 0) && !filters.from && !filters.to;
}

/** Take in a job as the server has it now. */
export function absorb(job) {
  for (const list of ["jobs", "waiting"]) {
    const index = state[list].findIndex((each) => each.history_id === job.history_id);
    if (index >= 0) {
      // A job ends once: what says that it works was read before, and has come later.
      if (state[list][index].state !== "working" && job.state === "working") return undefined;
      if (state[list][index].state !== job.state && state.options?.limits.length) readOptions(); // some of them are used
      state[list] = state[list].with(index, { ...state[list][index], ...job });
      return changed();
    }
  }
  const oldest = state.jobs.at(-1);
  const isNew = !state.jobs.length || job.history_id > state.jobs[0].history_id;
  const lies = isNew || (oldest && job.history_id > oldest.history_id) || state.next === null;
  if (state.status === "loading" || !lies || !matches(job, state.filters)) return undefined;
  state.total += 1;
  if (isNew && state.holdBack) state.waiting = [job, ...state.waiting];
  else state.jobs = [...state.jobs, job].sort((one, other) => other.history_id - one.history_id);
  return changed();
}

/** Show the new jobs that were held back. */
export function showWaiting() {
  if (!state.waiting.length) return;
  state.jobs = [...state.waiting, ...state.jobs];
  state.waiting = [];
  changed();
}

export function holdBack(hold) {
  if (state.holdBack === hold) return;
  state.holdBack = hold;
  if (!hold) showWaiting();
  changed();
}

/** Forget jobs that were deleted. */
export function forget(historyIds) {
  const gone = new Set(historyIds);
  const before = state.jobs.length + state.waiting.length;
  state.jobs = state.jobs.filter((each) => !gone.has(each.history_id));
  state.waiting = state.waiting.filter((each) => !gone.has(each.history_id));
  state.total = Math.max(0, state.total - (before - state.jobs.length - state.waiting.length));
  for (const key of [...state.selected]) if (gone.has(Number(key.split(".")[0]))) state.selected.delete(key);
  changed();
}

export async function remove(historyIds) {
  try {
    const answer = await api.remove(historyIds);
    forget(answer.history_ids || historyIds);
    return true;
  } catch (error) {
    notify(explain(error), "bad");
    return false;
  }
}

export async function readOptions() {
  try {
    state.options = await api.options();
  } catch (error) {
    explain(error);
  }
  changed();
}

/** Read the newest page again, after a time without a connection. */
async function catchUp() {
  if (state.status === "failed" || state.status === "loading") return load(state.filters);
  try {
    const page = await api.jobs(state.filters);
    const oldest = page.jobs.length ? page.jobs.at(-1).history_id : 0;
    const there = new Set(page.jobs.map((each) => each.history_id));
    forget(state.jobs.filter((each) => each.history_id >= oldest && !there.has(each.history_id)).map((each) => each.history_id));
    page.jobs.forEach(absorb);
    state.total = page.total;
    state.atLeast = page.at_least;
    if (!state.options) readOptions();
  } catch (error) {
    explain(error);
  }
  return changed();
}

/** Stay connected to what happens, and say so when that is not so. */
export function stayConnected() {
  let events = null;
  let timer = 0;
  let lost = false;
  const connect = () => {
    events = follow(
      (name, data) => (name === "deleted" ? forget(data.history_ids) : name === "changed" ? catchUp() : absorb(data)),
      (there, readyState) => {
        clearTimeout(timer);
        if (there && lost) catchUp();
        lost = !there;
        state.connected = there;
        changed();
        if (!there && readyState === EventSource.CLOSED && !state.signedOut) {
          timer = setTimeout(connect, AGAIN_MS);
          api.options().catch(explain); // the events do not say whether the session has ended
        }
      },
    );
  };
  connect();
  window.addEventListener("offline", () => { state.connected = false; changed(); });
  window.addEventListener("online", () => { events.close(); lost = true; connect(); });
}

export function toggle(key) {
  if (!state.selected.delete(key)) state.selected.add(key);
  state.selecting = state.selected.size > 0 || state.selecting;
  changed();
}

/** Select all tiles from one to another. */
export function selectBetween(fromKey, toKey) {
  const keys = allTiles().map((each) => each.key);
  const [from, to] = [keys.indexOf(fromKey), keys.indexOf(toKey)].sort((one, other) => one - other);
  if (from < 0) return toggle(toKey);
  for (const each of allTiles().slice(from, to + 1)) if (each.picture || each.job.state !== "working") state.selected.add(each.key);
  state.selecting = true;
  return changed();
}

export function selectNothing() {
  state.selected.clear();
  state.selecting = false;
  changed();
}

export function startSelecting() {
  state.selecting = true;
  changed();
}

export function offlineWords() {
  return navigator.onLine === false ? word("offline") : word("no_server");
}
