// The client of the TypeScript SDK visits a server, and tells on standard output, in one JSON object, what it was told.
//
// usage: node typescript_sdk.mjs v1|v2 legacy|modern COMMAND [ARGUMENT...]
//
// Version 1 is the package that most hosts have, and knows the legacy era only. SCOPE_PEERS_DIR says where they are
// installed.

import { createRequire } from "node:module";

const [version, era, command, ...args] = process.argv.slice(2);
const require = createRequire(`${process.env.SCOPE_PEERS_DIR}/clients/`);

const v1 = () => {
    const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
    const types = require("@modelcontextprotocol/sdk/types.js");
    class WithoutSchemas extends Client {
        callTool(params, options) {
            return super.callTool(params, types.CallToolResultSchema, options);
        }
    }
    const { ElicitRequestSchema: elicit, ResourceUpdatedNotificationSchema: changes } = types;
    return { Client: WithoutSchemas, StdioClientTransport, elicit, changes };
};

const v2 = () => {
    const { Client } = require("@modelcontextprotocol/client");
    const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");
    return { Client, StdioClientTransport, elicit: "elicitation/create", changes: "notifications/resources/updated" };
};

const { Client, StdioClientTransport, elicit, changes } = version === "v1" ? v1() : v2();

const client = new Client(
    { name: `typescript-sdk-${version}`, version: "1.0.0" },
    {
        capabilities: { elicitation: {} },
        versionNegotiation: { mode: era === "modern" ? "auto" : "legacy" },
    },
);
let asked = 0;
client.setRequestHandler(elicit, async () => {
    asked += 1;
    return { action: "accept", content: { name: "Ada" } };
});

let revision;
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
// Version 1 tells nobody but its transport.
transport.setProtocolVersion = (version) => (revision = version);
await client.connect(transport);

// Every page of a list; version 2 goes through them by itself, and gives all as one.
const pages = async (ask, items, name) => {
    const all = [];
    let cursor;
    do {
        const page = await ask(cursor === undefined ? undefined : { cursor });
        all.push(page[items].map((item) => item[name]));
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return all;
};

const told = (result) => ({
    text: result.content.map((block) => block.text).join(""),
    structured: result.structuredContent ?? null,
    failed: result.isError === true,
});

// The code of the error that `answer` ends with.
const refused = (answer) =>
    answer.then(
        (answered) => ({ answered }),
        (error) => error.code,
    );

// Gives up a call once the server has said how far it is.
const cancelledWhileItWaits = async () => {
    const progress = [];
    const giveUp = new AbortController();
    const options = {
        signal: giveUp.signal,
        onprogress: ({ progress: done, total }) => {
            progress.push([done, total]);
            giveUp.abort("enough");
        },
    };
    const cancelled = await client.callTool({ name: "wait", arguments: { seconds: 600 } }, options).then(
        () => false,
        () => giveUp.signal.aborted,
    );
    return { cancelled, progress };
};

// Counts, and is told that the count has changed: by a subscription, which the newest revision has as a stream.
const updated = async () => {
    const uri = "count://now";
    const heard = new Promise((hear) => client.setNotificationHandler(changes, ({ params }) => hear(params.uri)));
    const stream = era === "modern" ? await client.listen({ resourceSubscriptions: [uri] }) : undefined;
    if (stream === undefined) await client.subscribeResource({ uri });
    await client.callTool({ name: "count", arguments: {} });
    const told = await heard;
    await (stream === undefined ? client.unsubscribeResource({ uri }) : stream.close());
    return { uri: told, says: (await client.readResource({ uri })).contents[0].text };
};

// A tool that becomes a task, and asks for the name while it is one. Version 2 has left tasks to an extension.
const task = async () => {
    const call = { name: "greet_later", arguments: {} };
    // Not by the task's state: it may have been asked and answered between two looks at that.
    const before = asked;
    for await (const message of client.experimental.tasks.callToolStream(call, undefined, { task: { ttl: 60_000 } })) {
        if (message.type === "error") throw message.error;
        if (message.type === "result") return { asked: asked > before, text: told(message.result).text };
    }
};

const account = {
    tools: await pages((params) => client.listTools(params), "tools", "name"),
    resources: await pages((params) => client.listResources(params), "resources", "uri"),
    templates: await pages((params) => client.listResourceTemplates(params), "resourceTemplates", "uriTemplate"),
    prompts: await pages((params) => client.listPrompts(params), "prompts", "name"),
    add: told(await client.callTool({ name: "add", arguments: { a: 20, b: 22 } })),
    divide: told(await client.callTool({ name: "divide", arguments: { a: 1, b: 0 } })),
    greet: told(await client.callTool({ name: "greet", arguments: {} })),
    read: (await client.readResource({ uri: "list://5" })).contents[0].text,
    read_template: (await client.readResource({ uri: "greeting://Ada" })).contents[0].text,
    read_nothing: await refused(client.readResource({ uri: "nothing://here" })),
    prompt: (await client.getPrompt({ name: "review", arguments: { code: "1 + 1" } })).messages[0].content.text,
    complete_prompt: (
        await client.complete({ ref: { type: "ref/prompt", name: "review" }, argument: { name: "language", value: "R" } })
    ).completion.values,
    complete_template: (
        await client.complete({
            ref: { type: "ref/resource", uri: "greeting://{name}" },
            argument: { name: "name", value: "a" },
        })
    ).completion.values,
    updated: await updated(),
    ...(version === "v1" && { task: await task() }),
    wait: await cancelledWhileItWaits(),
    add_after_that: told(await client.callTool({ name: "add", arguments: { a: 1, b: 2 } })),
    revision,
    server: client.getServerVersion()?.name ?? null,
    instructions: client.getInstructions() ?? null,
};
await client.close();
console.log(JSON.stringify(account));
