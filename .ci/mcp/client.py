"""The client of the Python SDK with our server: `client.py URL`, or `client.py PROGRAM ARGUMENT…`."""

import asyncio
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(words):
    target = words[0]
    if not target.startswith("http"):
        target = StdioTransport(command=words[0], args=words[1:])
    changed = asyncio.Event()
    progress = []

    async def on_progress(amount, total, message):
        progress.append((amount, total, message))

    async def on_message(message):
        if "list_changed" in str(message) or "ListChanged" in type(message).__name__:
            changed.set()

    async with Client(target, message_handler=on_message) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert tools["add"].annotations.read_only_hint if hasattr(
            tools["add"].annotations, "read_only_hint"
        ) else tools["add"].annotations.readOnlyHint
        # A text that fits the schema is converted.
        result = await client.call_tool("add", {"a": "1", "b": 2})
        assert result.content[0].text == "3.0", result
        result = await client.call_tool("structured", {})
        assert result.structured_content == {"t": 3.5}, result
        result = await client.call_tool("image", {})
        assert result.content[0].type == "image", result
        result = await client.call_tool("fail", {}, raise_on_error=False)
        assert result.is_error and result.content[0].text == "it failed", result
        result = await client.call_tool("crash", {}, raise_on_error=False)
        assert result.is_error, result
        try:
            await client.call_tool("absent", {})
            raise AssertionError("an unknown tool is an error")
        except Exception as error:
            assert "Unknown tool: absent" in str(error), error
        resources = {str(resource.uri) for resource in await client.list_resources()}
        assert "test://static-text" in resources, resources
        [contents] = await client.read_resource("test://static-text")
        assert contents.text.startswith("This is the content"), contents
        try:
            await client.read_resource("test://absent")
            raise AssertionError("an unknown resource is an error")
        except Exception as error:
            assert "Unknown resource" in str(error), error
        arguments = {"arg1": "a", "arg2": "b"}
        prompt = await client.get_prompt("test_prompt_with_arguments", arguments)
        assert "arg2='b'" in prompt.messages[0].content.text, prompt
        await client.call_tool("slow", {"steps": 3}, progress_handler=on_progress)
        assert progress == [(1, 3, "step"), (2, 3, "step"), (3, 3, "step")], progress
        try:
            await client.call_tool("wait", {"seconds": 30}, timeout=0.5)
            raise AssertionError("the call times out")
        except Exception as error:
            assert "tim" in str(error).lower(), error
        await client.call_tool("add_tool", {})
        names = [tool.name for tool in await client.list_tools()]
        assert "late" in names, names
        result = await client.call_tool("late", {})
        assert result.content[0].text == "late", result
    print("ok", target if isinstance(target, str) else "over stdio", "changed:", changed.is_set())


asyncio.run(main(sys.argv[1:]))
