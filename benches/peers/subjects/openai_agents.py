"""The conversation with the OpenAI Agents SDK, with OpenTelemetry's instrumentations of the SDK and of
the client that it uses. The documentation of the instrumentation requires both."""

import asyncio
import time

import telemetry

shutdown = telemetry.install()

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.genai.openai_agents import OpenAIAgentsInstrumentor

OpenAIInstrumentor().instrument()
OpenAIAgentsInstrumentor().instrument(disable_openai_trace_export=True)


@function_tool
def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    return telemetry.weather(city)


async def run():
    kind = OpenAIResponsesModel if telemetry.RESPONSES else OpenAIChatCompletionsModel
    agent = Agent(
        name="concierge",
        instructions=telemetry.SYSTEM,
        model=kind(telemetry.MODEL, AsyncOpenAI(max_retries=0)),
        model_settings=ModelSettings(temperature=0.5, max_tokens=256, include_usage=True),
        tools=[get_weather],
    )
    if not telemetry.STREAMS:
        print((await Runner.run(agent, telemetry.PROMPT)).final_output)
        return
    result = Runner.run_streamed(agent, telemetry.PROMPT)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            print(event.data.delta, end="")
            if telemetry.SCENARIO == "dropped":
                result.cancel()  # the documented way to stop a streamed run
                break


async def main():
    try:
        await run()
    except Exception as error:
        print("failed:", type(error).__name__, error)
    await asyncio.sleep(0.3)  # wait for the tasks of a cancelled run


asyncio.run(main())
time.sleep(0.1)
shutdown()
