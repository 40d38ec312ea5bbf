/** The requests of the page to its server. Each address is relative to the page, so that a path prefix does no harm. */
import { refusalText } from "./server_texts.js";
import { word } from "./words.js";

const BASE = "gallery/api/";
const PATIENCE_MS = 30000;

/** A refusal, ready to be shown. `field` is the argument that it is about, "" where it is about none. */
export class ApiError extends Error {
  constructor(message, { status = 0, kind = "", field = "" } = {}) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.field = field;
  }
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(BASE + path, { credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch {
    throw new ApiError(word("no_connection"), { kind: "network" });
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const error = (body && body.error) || {};
  const said = String(error.message || "");
  const kind = answer.status === 401 ? "signed_out" : error.kind || "";
  const field = error.field || (/`(\w+)`/.exec(said) || [])[1] || "";
  const message = said && refusalText({ ...error, kind, field, message: said });
  throw new ApiError(message || word("went_wrong", { status: answer.status }), { status: answer.status, kind, field });
}

function post(path, body) {
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export const api = {
  jobs: (filters, before) => {
    const query = new URLSearchParams(filters);
    if (before) query.set("before", before);
    if (filters.from || filters.to) query.set("offset", new Date().getTimezoneOffset());
    query.set("limit", "60");
    return request(`jobs?${query}`);
  },
  job: (historyId) => request(`jobs/${historyId}`),
  options: () => request("options"),
  draw: (asked) => post("generate", asked),
  cancel: (historyId) => post(`jobs/${historyId}/cancel`, {}),
  restore: (historyId) => post(`jobs/${historyId}/restore`, {}),
  remove: (historyIds) => post("delete", { history_ids: historyIds }),
  send: (blob) => request("references", { method: "POST", headers: { "Content-Type": blob.type || "application/octet-stream" }, body: blob, signal: AbortSignal.timeout(10 * PATIENCE_MS) }),
  downloadAddress: (historyId, picture) => `${BASE}download/${historyId}/${picture}`,
  checkZip: (pictures) => post("zip/check", { pictures }),
  zipAddress: `${BASE}zip`,
};

/** Follow what happens to jobs. `heard` gets each event, `connected` true or false as the connection comes and goes. */
export function follow(heard, connected) {
  const events = new EventSource(`${BASE}events`);
  events.onopen = () => connected(true, events.readyState);
  events.onerror = () => connected(false, events.readyState);
  for (const name of ["job", "deleted", "changed"]) events.addEventListener(name, (event) => heard(name, JSON.parse(event.data)));
  return events;
}
