"""The conversation through the `openai` client and a loop of our own, with OpenTelemetry's own
instrumentation of the client. It knows model calls alone, so the loop opens the agent's and the
tool's span with the helpers of `opentelemetry-util-genai`, which that instrumentation is made of.
"""

import json

import telemetry

shutdown = telemetry.install()

from openai import OpenAI
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.util.genai.handler import get_telemetry_handler

OpenAIInstrumentor().instrument()

TOOL = {
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
handler = get_telemetry_handler()


def execute(name, call, arguments):
    arguments = json.loads(arguments)
    try:
        with handler.tool(
            name,
            arguments=arguments,
            tool_call_id=call,
            tool_type="function",
            tool_description=TOOL["description"],
        ) as invocation:
            result = telemetry.weather(**arguments)
            invocation.tool_result = result
            return result
    except telemetry.StationError as error:
        return str(error)


def completions(client, messages):
    """One model call: what was said, and the tool calls asked for."""
    request = {
        "model": telemetry.MODEL,
        "messages": messages,
        "tools": [{"type": "function", "function": TOOL}],
        "temperature": 0.5,
        "max_tokens": 256,
    }
    if not telemetry.STREAMS:
        message = client.chat.completions.create(**request).choices[0].message
        calls = [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []]
        return message.content, calls
    text, calls = "", {}
    options = {"include_usage": True}
    with client.chat.completions.create(**request, stream=True, stream_options=options) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                if telemetry.SCENARIO == "dropped" and text:
                    return text, []
                for call in choice.delta.tool_calls or []:
                    known = calls.setdefault(call.index, ["", "", ""])
                    known[0] = call.id or known[0]
                    known[1] += call.function.name or ""
                    known[2] += call.function.arguments or ""
    return text, [tuple(call) for call in calls.values()]


def loop(client):
    messages = [
        {"role": "system", "content": telemetry.SYSTEM},
        {"role": "user", "content": telemetry.PROMPT},
    ]
    while True:
        text, calls = completions(client, messages)
        if not calls:
            return text
        asked = [
            {"id": i, "type": "function", "function": {"name": n, "arguments": a}}
            for i, n, a in calls
        ]
        messages.append({"role": "assistant", "content": text or None, "tool_calls": asked})
        for call, name, arguments in calls:
            result = execute(name, call, arguments)
            messages.append({"role": "tool", "tool_call_id": call, "content": result})


try:
    with handler.invoke_local_agent(
        agent_name="concierge", request_model=telemetry.MODEL
    ) as agent:
        print(loop(OpenAI(max_retries=0)))
except Exception as error:
    print("failed:", type(error).__name__, error)
shutdown()
