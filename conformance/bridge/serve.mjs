// From HTTP to a server on stdio: lets the conformance suite, which speaks HTTP only, test a program that speaks over
// its pipes. It copies messages. It answers nothing in the server's place, changes no message, and knows no method but
// those by which HTTP itself is steered.
//
// usage: node serve.mjs COMMAND [ARG...]
//
// Prints its URL, serves until its standard input ends, then ends the servers it has started: each has to leave at the
// end of ITS standard input. Exit status 1 if one did not, or left with another status than 0.
//
// Up to 2025-11-25 an HTTP session is one process. From 2026-07-28 on there are no sessions, so one process serves
// every request. Messages go back on the stream of the request they belong to:
//   - an answer by its id, progress by its token, what a subscription says by the subscription's id;
//   - whatever else comes (on stdio nothing says for which request) goes to the youngest request without an answer, or
//     to the session's GET stream, if there is one.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import http from "node:http";
import { createInterface } from "node:readline";

const LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const MAX_BODY = 16 * 1024 * 1024;
// How long a server may take to leave when its input has ended. Only reached by one that hangs.
const LEAVE_MS = 10_000;
// What HTTP is to say beside an error, from 2026-07-28 on. Everything else is 200.
const STATUS = {
  [-32700]: 400, [-32600]: 400, [-32602]: 400, [-32601]: 404,
  [-32020]: 400, [-32021]: 400, [-32022]: 400,
};
const VERSION = "io.modelcontextprotocol/protocolVersion";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

const [command, ...args] = process.argv.slice(2);
let failed = false;

/** The answer to one HTTP request: one JSON body, or a stream of events once something comes before the answer. */
class Reply {
  constructor(response, { modern, token, id }) {
    Object.assign(this, { response, modern, token, id });
  }

  event(message) {
    if (!this.response.headersSent) openStream(this.response);
    this.response.write(`event: message\ndata: ${message.text}\n\n`);
  }

  answer(message) {
    if (this.response.headersSent) {
      this.event(message);
      this.response.end();
    } else {
      const status = (this.modern && STATUS[message.json.error?.code]) || 200;
      this.response.writeHead(status, { "content-type": "application/json" }).end(message.text);
    }
  }

  lost(reason) {
    if (this.response.headersSent) this.response.destroy();
    else refuse(this.response, 502, reason);
  }
}

/** One process of the server under test. */
class Server {
  constructor() {
    this.pending = new Map(); // id (as JSON) → Reply, oldest first
    this.stream = null; // of a GET
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdin.on("error", () => {}); // it is gone: `exit` says so
    this.ended = new Promise((resolve) => {
      this.child.on("error", (error) => resolve(`could not be started: ${error.message}`));
      this.child.on("exit", (code, signal) => resolve(signal ? `died of ${signal}` : `left with status ${code}`));
    });
    this.ended.then((how) => {
      if (how !== "left with status 0") complain(`the server ${how}`);
      this.gone = true;
      this.stream?.end();
      this.lose(`the server ${how}`);
    });
    createInterface({ input: this.child.stdout, crlfDelay: Infinity }).on("line", (line) => this.receive(line));
  }

  send(text) {
    // A message is a line; JSON has no line break that is not white space.
    this.child.stdin.write(`${text.replace(/[\r\n]+/g, " ")}\n`);
  }

  receive(text) {
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      complain(`the server wrote what is no JSON: ${text.slice(0, 200)}`);
      this.lose("the server wrote what is no JSON");
      return;
    }
    const message = { text, json };
    if (json.method === undefined) {
      const key = JSON.stringify(json.id);
      const reply = this.pending.get(key);
      this.pending.delete(key);
      if (reply) reply.answer(message);
      else note(`an answer that nobody waits for: ${text.slice(0, 200)}`);
      return;
    }
    const open = [...this.pending.values()];
    const params = json.params ?? {};
    const subscription = params._meta?.[SUBSCRIPTION];
    const target =
      subscription !== undefined
        ? open.find((reply) => String(reply.id) === String(subscription))
        : json.method === "notifications/progress"
          ? open.find((reply) => reply.token !== undefined && reply.token === params.progressToken)
          : open.at(-1);
    if (target) target.event(message);
    else if (this.stream) this.stream.write(`event: message\ndata: ${text}\n\n`);
    else note(`a message for nobody: ${text.slice(0, 200)}`);
  }

  lose(reason) {
    const open = [...this.pending.values()];
    this.pending.clear();
    for (const reply of open) reply.lost(reason);
  }

  async end() {
    this.child.stdin.end();
    const late = setTimeout(() => {
      complain(`the server did not leave within ${LEAVE_MS / 1000} s of the end of its input; killed`);
      this.child.kill("SIGKILL");
    }, LEAVE_MS);
    await this.ended;
    clearTimeout(late);
  }
}

const sessions = new Map();
let shared = null;

function note(text) {
  console.error(`bridge: ${text}`);
}

function complain(text) {
  failed = true;
  note(text);
}

function refuse(response, status, text) {
  response.writeHead(status, { "content-type": "text/plain" }).end(`${text}\n`);
}

function openStream(response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
}

/** An error that HTTP is to blame for, not the server: it never saw the request. */
function refuseMessage(response, status, id, code, message) {
  const body = { jsonrpc: "2.0", id: id ?? null, error: { code, message } };
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Whether a page of another site, by a name of its own for this machine, may have sent it. */
function isForeign(request) {
  const local = (host) => /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
  const { host = "", origin } = request.headers;
  return !local(host) || (origin !== undefined && !local(origin.replace(/^https?:\/\//i, "")));
}

async function body(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY) throw new Error("too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The process that a message is for, or nothing if the request has been refused. */
function serverFor(request, response, json) {
  const version = request.headers["mcp-protocol-version"];
  if (version === undefined || LEGACY.includes(version)) {
    const id = request.headers["mcp-session-id"];
    if (id !== undefined) {
      const server = sessions.get(id);
      if (!server) refuseMessage(response, 404, json.id, -32001, "There is no such session");
      return server;
    }
    if (json.method !== "initialize") {
      refuseMessage(response, 400, json.id, -32000, "Without Mcp-Session-Id only initialize can be sent");
      return undefined;
    }
    const server = new Server();
    const session = randomUUID();
    sessions.set(session, server);
    response.setHeader("mcp-session-id", session);
    return server;
  }
  const said = json.params?._meta?.[VERSION];
  if (said !== undefined && said !== version) {
    refuseMessage(response, 400, json.id, -32020, `MCP-Protocol-Version is ${version}, _meta says ${said}`);
    return undefined;
  }
  if (!shared || shared.gone) shared = new Server();
  return shared;
}

async function post(request, response) {
  let text, json;
  try {
    text = await body(request);
    json = JSON.parse(text);
  } catch (error) {
    return refuseMessage(response, 400, null, -32700, `Not JSON: ${error.message}`);
  }
  const server = serverFor(request, response, json);
  if (!server) return;
  if (json.method === undefined || json.id === undefined) {
    server.send(text);
    response.writeHead(202).end();
    return;
  }
  const key = JSON.stringify(json.id);
  if (server.pending.has(key)) {
    return refuseMessage(response, 400, json.id, -32600, "A request with this id has no answer yet");
  }
  const modern = server === shared;
  const reply = new Reply(response, { modern, id: json.id, token: json.params?._meta?.progressToken });
  server.pending.set(key, reply);
  response.on("close", () => {
    if (server.pending.get(key) !== reply) return;
    server.pending.delete(key);
    // From 2026-07-28 on, closing the stream is how HTTP cancels; before, it meant nothing.
    if (modern) {
      const params = { requestId: json.id, reason: "The HTTP request was closed" };
      server.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params }));
    }
  });
  server.send(text);
}

const service = http.createServer((request, response) => {
  if (isForeign(request)) return refuse(response, 403, "Only from this machine, by its own name");
  if (new URL(request.url, "http://localhost").pathname !== "/mcp") return refuse(response, 404, "It is at /mcp");
  if (request.method === "POST") return void post(request, response);
  const id = request.headers["mcp-session-id"];
  const server = sessions.get(id);
  if (request.method === "GET" && server) {
    if (server.stream) return refuse(response, 409, "The session has its stream already");
    openStream(response);
    server.stream = response;
    response.on("close", () => (server.stream = null));
  } else if (request.method === "DELETE" && server) {
    sessions.delete(id);
    leaving.add(server.end());
    response.writeHead(204).end();
  } else {
    refuse(response, id === undefined ? 405 : 404, "No such session");
  }
});
const leaving = new Set();

service.listen(0, "127.0.0.1", () => console.log(`http://localhost:${service.address().port}/mcp`));

process.stdin.resume().on("end", async () => {
  service.close();
  const servers = [...sessions.values(), ...(shared ? [shared] : [])];
  await Promise.all([...leaving, ...servers.map((server) => server.end())]);
  service.closeAllConnections();
  process.exitCode = failed ? 1 : 0;
});
