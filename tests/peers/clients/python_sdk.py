"""The client of the Python SDK visits a server, and tells on standard output, in one JSON object, what it was told.

usage: python_sdk.py legacy|modern COMMAND [ARGUMENT...]
"""

import json
import os
import sys
import warnings

import anyio
from mcp import Client, MCPDeprecationWarning, MCPError, StdioServerParameters
from mcp.types import ElicitResult, PromptReference, ResourceTemplateReference, ResourceUpdatedNotification

# It warns of what the newest revision does not have any more.
warnings.simplefilter("ignore", MCPDeprecationWarning)

MODES = {"legacy": "legacy", "modern": "auto"}


async def pages(ask, items, name):
    """Every page of a list."""
    all, cursor = [], None
    while True:
        page = await ask(cursor=cursor)
        all.append([getattr(item, name) for item in getattr(page, items)])
        cursor = page.next_cursor
        if cursor is None:
            return all


def told(result):
    return {
        "text": "".join(block.text for block in result.content),
        "structured": result.structured_content,
        "failed": bool(result.is_error),
    }


async def refused(ask):
    """The code of the error that `ask` ends with."""
    try:
        return {"answered": repr(await ask)}
    except MCPError as error:
        return error.code


async def updated(client, updates):
    """Counts, and is told that the count has changed: by a subscription, which the newest revision has as a stream."""
    uri = "count://now"
    if client.protocol_version < "2026-07-28":
        await client.subscribe_resource(uri)
        await client.call_tool("count", {})
        heard = await updates.receive()
        await client.unsubscribe_resource(uri)
    else:
        async with client.listen(resource_subscriptions=[uri]) as subscription:
            await client.call_tool("count", {})
            heard = await anext(aiter(subscription))
    return {"uri": heard.uri, "says": (await client.read_resource(uri)).contents[0].text}


async def cancelled_while_it_waits(client):
    """Gives up a call once the server has said how far it is."""
    progress = []
    with anyio.CancelScope() as scope:

        async def hear(done, total, message):
            progress.append([int(done), int(total)])
            scope.cancel()

        await client.call_tool("wait", {"seconds": 600}, progress_callback=hear)
    return {"cancelled": scope.cancelled_caught, "progress": progress}


async def answers(context, params):
    return ElicitResult(action="accept", content={"name": "Ada"})


async def visit(mode, command, *args):
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    hears, updates = anyio.create_memory_object_stream(10)

    async def message(message):
        if isinstance(message, ResourceUpdatedNotification):
            await hears.send(message.params)

    with hears, updates:
        async with Client(
            server, mode=mode, cache=None, elicitation_callback=answers, message_handler=message
        ) as client:
            return await asks(client, updates)


async def asks(client, updates):
    # In a dictionary, things happen in the order in which they stand there.
    return {
        "revision": client.protocol_version,
        "server": client.server_info and client.server_info.name,
        "instructions": client.instructions,
        "tools": await pages(client.list_tools, "tools", "name"),
        "resources": await pages(client.list_resources, "resources", "uri"),
        "templates": await pages(client.list_resource_templates, "resource_templates", "uri_template"),
        "prompts": await pages(client.list_prompts, "prompts", "name"),
        "add": told(await client.call_tool("add", {"a": 20, "b": 22})),
        "divide": told(await client.call_tool("divide", {"a": 1, "b": 0})),
        "greet": told(await client.call_tool("greet", {})),
        "read": (await client.read_resource("list://5")).contents[0].text,
        "read_template": (await client.read_resource("greeting://Ada")).contents[0].text,
        "read_nothing": await refused(client.read_resource("nothing://here")),
        "prompt": (await client.get_prompt("review", {"code": "1 + 1"})).messages[0].content.text,
        "complete_prompt": (
            await client.complete(PromptReference(name="review"), {"name": "language", "value": "R"})
        ).completion.values,
        "complete_template": (
            await client.complete(ResourceTemplateReference(uri="greeting://{name}"), {"name": "name", "value": "a"})
        ).completion.values,
        "updated": await updated(client, updates),
        "wait": await cancelled_while_it_waits(client),
        "add_after_that": told(await client.call_tool("add", {"a": 1, "b": 2})),
    }


json.dump(anyio.run(visit, MODES[sys.argv[1]], *sys.argv[2:]), sys.stdout)
