/**
 * The way between this view and the chat program that shows it: JSON-RPC by messages to the parent (MCP Apps, 2026-01-26).
 * Nothing is told or asked before the host has answered `ui/initialize`.
 */
const PROTOCOL = "2026-01-26";
const ABOUT = { appInfo: { name: "easel", title: "Easel", version: "1" }, appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] } };

/** `hears` holds a function for each notification of the host, by its name behind `ui/notifications/`. */
export function hostOf(hears) {
  const waiting = new Map();
  let last = 0;
  const host = { capabilities: {}, context: {}, isReady: false, ask, tell };

  function send(message) {
    window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*"); // nobody tells a view the origin of its host
  }

  function ask(method, params = {}) {
    last += 1;
    const id = last;
    send({ id, method, params });
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }

  function tell(method, params = {}) {
    send({ method, params });
  }

  function answer(message) {
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (!asked) return;
    if (message.error) asked.reject(new Error(message.error.message || "refused"));
    else asked.resolve(message.result || {});
  }

  function hear({ method, params = {}, id }) {
    const name = method.replace("ui/notifications/", "");
    if (name === "host-context-changed") host.context = { ...host.context, ...params };
    if (Object.hasOwn(hears, name)) hears[name](params, host);
    if (id === undefined) return;
    if (method === "ping" || method === "ui/resource-teardown") send({ id, result: {} });
    else send({ id, error: { code: -32601, message: `no method ${method}` } });
  }

  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || !data || data.jsonrpc !== "2.0") return;
    if (typeof data.method === "string") hear(data);
    else answer(data);
  });

  host.ready = ask("ui/initialize", { protocolVersion: PROTOCOL, ...ABOUT }).then((result) => {
    host.capabilities = result.hostCapabilities || {};
    host.context = { ...(result.hostContext || {}), ...host.context };
    host.isReady = true;
    tell("ui/notifications/initialized");
  });
  return host;
}
