"""The conversation with the `openai` client and a hand-written loop, with OpenTelemetry's
instrumentation of the client. The instrumentation records only model calls. The loop records the
agent's and the tool's spans with the helpers of `opentelemetry-util-genai`, which the instrumentation
uses too.
"""

import json

import telemetry

shutdown = telemetry.install()

from openai import OpenAI
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.types import (
    FunctionToolDefinition,
    InputMessage,
    OutputMessage,
    TextPart,
)

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
handler = TelemetryHandler()


def execute(name, call, arguments):
    arguments = json.loads(arguments)
    try:
        with handler.tool(name, tool_type="function", agent_name="concierge") as invocation:
            invocation.tool_call_id = call
            invocation.tool_description = TOOL["description"]
            if invocation.should_capture_content:
                invocation.arguments = arguments
            result = telemetry.weather(**arguments)
            if invocation.should_capture_content:
                invocation.tool_result = result
            return result
    except telemetry.StationError as error:
        return str(error)


def add_usage(agent, usage, reason):
    """Adds the usage of a call to the agent's span."""
    input_tokens, output_tokens = (
        (usage.input_tokens, usage.output_tokens)
        if telemetry.RESPONSES
        else (usage.prompt_tokens, usage.completion_tokens)
    )
    agent.input_tokens = (agent.input_tokens or 0) + input_tokens
    agent.output_tokens = (agent.output_tokens or 0) + output_tokens
    agent.finish_reasons = [{"tool_calls": "tool_call"}.get(reason, reason)]


def call_completions(client, messages, agent):
    """Runs one model call. Returns the text and the tool calls."""
    request = {
        "model": telemetry.MODEL,
        "messages": messages,
        "tools": [{"type": "function", "function": TOOL}],
        "temperature": 0.5,
        "max_tokens": 256,
    }
    if not telemetry.STREAMS:
        completion = client.chat.completions.create(**request)
        message = completion.choices[0].message
        add_usage(agent, completion.usage, completion.choices[0].finish_reason)
        calls = [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []]
        return message.content, calls
    text, calls, reason = "", {}, None
    options = {"include_usage": True}
    with client.chat.completions.create(**request, stream=True, stream_options=options) as stream:
        for chunk in stream:
            if chunk.usage:
                add_usage(agent, chunk.usage, reason)
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
                if telemetry.SCENARIO == "dropped" and text:
                    return text, []
                for call in choice.delta.tool_calls or []:
                    partial = calls.setdefault(call.index, ["", "", ""])
                    partial[0] = call.id or partial[0]
                    partial[1] += call.function.name or ""
                    partial[2] += call.function.arguments or ""
    return text, [tuple(call) for call in calls.values()]


def call_responses(client, items, agent):
    """Runs one call of the Responses API. Returns the text, and the response if it is complete."""
    request = {
        "model": telemetry.MODEL,
        "instructions": telemetry.SYSTEM,
        "input": items,
        "tools": [{"type": "function"} | TOOL],
        "temperature": 0.5,
        "max_output_tokens": 256,
    }
    if not telemetry.STREAMS:
        response = client.responses.create(**request)
    else:
        text, response = "", None
        with client.responses.create(**request, stream=True) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    text += event.delta
                    if telemetry.SCENARIO == "dropped":
                        return text, None
                if event.type == "response.completed":
                    response = event.response
        if response is None:
            raise ConnectionError("the stream was truncated")
    has_calls = any(item.type == "function_call" for item in response.output)
    add_usage(agent, response.usage, "tool_call" if has_calls else "stop")
    return response.output_text, response


def loop_responses(client, agent):
    items = [{"role": "user", "content": telemetry.PROMPT}]
    while True:
        text, response = call_responses(client, items, agent)
        output = response.output if response else []
        calls = [item for item in output if item.type == "function_call"]
        if not calls:
            return text
        items += [item.model_dump(exclude_none=True) for item in output]
        for call in calls:
            result = execute(call.name, call.call_id, call.arguments)
            items.append(
                {"type": "function_call_output", "call_id": call.call_id, "output": result}
            )


def loop_completions(client, agent):
    messages = [
        {"role": "system", "content": telemetry.SYSTEM},
        {"role": "user", "content": telemetry.PROMPT},
    ]
    while True:
        text, calls = call_completions(client, messages, agent)
        if not calls:
            return text
        tool_calls = [
            {"id": i, "type": "function", "function": {"name": n, "arguments": a}}
            for i, n, a in calls
        ]
        messages.append({"role": "assistant", "content": text or None, "tool_calls": tool_calls})
        for call, name, arguments in calls:
            result = execute(name, call, arguments)
            messages.append({"role": "tool", "tool_call_id": call, "content": result})


def run():
    with handler.invoke_local_agent(agent_name="concierge", request_model=telemetry.MODEL) as agent:
        agent.temperature = 0.5
        agent.max_tokens = 256
        if agent.should_capture_content:
            agent.system_instruction = [TextPart(telemetry.SYSTEM)]
            agent.input_messages = [InputMessage("user", [TextPart(telemetry.PROMPT)])]
            agent.tool_definitions = [FunctionToolDefinition(**TOOL)]
        converse = loop_responses if telemetry.RESPONSES else loop_completions
        text = converse(OpenAI(max_retries=0), agent)
        if agent.should_capture_content:
            agent.output_messages = [OutputMessage("assistant", [TextPart(text)], "stop")]
        print(text)


try:
    run()
except Exception as error:
    print("failed:", type(error).__name__, error)
shutdown()
