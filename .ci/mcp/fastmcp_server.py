"""A server of the Python SDK: over standard input and output, or over HTTP at the given port."""

import sys

from fastmcp import Context, FastMCP

server = FastMCP("python")


@server.tool
def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b


@server.tool
def fail() -> str:
    """Fails."""
    raise ValueError("it failed")


@server.tool
async def trace(context: Context) -> str:
    """Returns the trace context of the request."""
    meta = context.request_context.meta
    return str(meta.model_dump() if hasattr(meta, "model_dump") else meta)


@server.resource("data://config")
def config() -> str:
    return "configured"


@server.prompt
def ask(topic: str) -> str:
    return f"about {topic}"


if len(sys.argv) > 1:
    server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
else:
    server.run(show_banner=False)
