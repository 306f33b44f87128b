// From stdio to a server on HTTP: the client under test starts this as if it were the server, and talks through it to
// the one that the conformance suite serves over HTTP. It copies messages. The only ones of its own are errors for
// requests that HTTP failed in a way that is no message, or is one that does not name the request.
//
// usage: node connect.mjs URL
import { createInterface } from "node:readline";

const url = process.argv[2];
const VERSION = "io.modelcontextprotocol/protocolVersion";

let session; // the Mcp-Session-Id that the server gave us
let version; // what initialize agreed on
const open = new Map(); // id (as JSON) → AbortController

function write(text) {
  process.stdout.write(`${text.replace(/[\r\n]+/g, " ")}\n`);
}

function fail(id, message) {
  write(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message } }));
}

/** HTTP wants in its headers what the message says. */
function headers(json) {
  const { _meta, name, uri, taskId } = json.params ?? {};
  const modern = _meta?.[VERSION];
  const of = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  if (modern) {
    of["mcp-protocol-version"] = modern;
    of["mcp-method"] = json.method;
    const subject = name ?? uri ?? taskId;
    if (subject !== undefined) of["mcp-name"] = subject;
  } else {
    if (version) of["mcp-protocol-version"] = version;
    if (session) of["mcp-session-id"] = session;
  }
  return of;
}

/** Copies what comes as events, as it comes. */
async function copyEvents(body, copy = write) {
  let rest = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      const data = line.match(/^data: ?(.*)$/)?.[1];
      if (data) copy(data);
    }
  }
}

/** Copies what answers a request. */
function copyAnswer(text, request, status) {
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    return fail(request.id, `HTTP ${status}: ${text.slice(0, 200)}`);
  }
  if (request.method === "initialize") version ??= answer.result?.protocolVersion;
  if (answer.error && (answer.id === null || answer.id === undefined)) {
    answer.id = request.id; // refused before anyone looked who asks
    return write(JSON.stringify(answer));
  }
  write(text);
}

async function send(text, json) {
  const controller = new AbortController();
  // Only a request is answered; an answer of the client's has an id too, but of the server's.
  const key = json.method === undefined || json.id === undefined ? undefined : JSON.stringify(json.id);
  if (key) open.set(key, controller);
  try {
    const of = headers(json);
    const response = await fetch(url, { method: "POST", headers: of, body: text, signal: controller.signal });
    session ??= response.headers.get("mcp-session-id") ?? undefined;
    const type = response.headers.get("content-type") ?? "";
    if (type.includes("text/event-stream")) {
      await copyEvents(response.body, (data) => copyAnswer(data, json, response.status));
    } else {
      const said = await response.text();
      if (key) copyAnswer(said, json, response.status);
      else if (!response.ok) console.error(`bridge: HTTP ${response.status} to ${json.method}: ${said}`);
    }
  } catch (error) {
    if (controller.signal.aborted) return;
    const why = `HTTP failed: ${error.cause?.message ?? error.message}`;
    if (key) fail(json.id, why);
    else console.error(`bridge: ${why}`);
  } finally {
    if (key) open.delete(key);
  }
}

/** What a session's server says beside the answers. Ready when it can: what it says before goes nowhere. */
async function listen() {
  const of = { accept: "text/event-stream", "mcp-session-id": session, "mcp-protocol-version": version };
  const broke = (error) => console.error(`bridge: the stream of the session broke: ${error.message}`);
  const response = await fetch(url, { headers: of }).catch(broke);
  if (response?.ok) void copyEvents(response.body).catch(broke);
}

for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    console.error(`bridge: the client wrote what is no JSON: ${text.slice(0, 200)}`);
    process.exit(1);
  }
  if (json.method === "notifications/cancelled" && version === undefined) {
    // From 2026-07-28 on, closing the request is how HTTP cancels.
    open.get(JSON.stringify(json.params?.requestId))?.abort();
    continue;
  }
  const sent = send(text, json);
  // Requests overtake each other; what has no answer keeps its place, and so does the opening.
  if (json.id === undefined || json.method === undefined || json.method === "initialize") await sent;
  if (json.method === "notifications/initialized" && session) await listen();
}

// The client has closed us.
for (const controller of open.values()) controller.abort();
if (session) {
  const of = { "mcp-session-id": session, "mcp-protocol-version": version };
  await fetch(url, { method: "DELETE", headers: of }).catch(() => {});
}
process.exit(0);
