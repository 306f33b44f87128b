"""A server on fastmcp, with a little of everything: pages of three, a tool that fails, a slow one that says so when
it is stopped, resources, a template, prompts, completion.
"""

import sys

import anyio
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from mcp.types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

server = FastMCP("fastmcp-peer", version="1.2.3", instructions="Ask away.", list_page_size=3)


@server.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool
def divide(a: float, b: float) -> float:
    """Divides the first by the second."""
    if b == 0:
        raise ToolError("nothing can be divided by zero")
    return a / b


@server.tool
async def wait(seconds: int, context: Context) -> str:
    """Waits, and says every second how far it is."""
    try:
        for second in range(seconds):
            await context.report_progress(second, seconds)
            await anyio.sleep(1)
    except anyio.get_cancelled_exc_class():
        print("wait was cancelled", file=sys.stderr, flush=True)
        raise
    return f"waited for {seconds} seconds"


@server.tool
async def greet(context: Context) -> str | InputRequiredResult:
    """Greets somebody, and asks whom: in the older revisions by a request, in the newest by its result."""
    question = ElicitRequestFormParams(
        message="Who is to be greeted?",
        requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    )
    if context.request_context.protocol_version < "2026-07-28":
        answer = await context.session.elicit(question.message, question.requested_schema)
    elif context.input_responses is None:
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=question)}, request_state="as it was")
    elif context.request_state != "as it was":
        raise ToolError(f"the state came back as {context.request_state!r}")
    else:
        answer = context.input_responses["who"]
    return f"Hello, {answer.content['name']}." if answer.action == "accept" else "Then nobody is greeted."


def echo(text: str) -> str:
    """Says what it was told."""
    return text


def list_number(number):
    return lambda: f"the list number {number}"


# So that there are pages.
for number in range(7):
    server.tool(echo, name=f"echo_{number}")
    server.resource(f"list://{number}", name=f"list {number}")(list_number(number))


@server.resource("greeting://{name}")
def greeting(name: str) -> str:
    """A greeting for somebody."""
    return f"Hello, {name}."


@server.prompt
def review(code: str) -> str:
    """Asks for a review."""
    return f"Please review: {code}"


@server.completion
async def complete(ref, argument, context=None):
    names = ["ada", "alan", "grace"]
    return [name for name in names if name.startswith(argument.value)]


server.run(transport="stdio", show_banner=False)
