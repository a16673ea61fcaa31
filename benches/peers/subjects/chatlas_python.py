"""The conversation with chatlas for Python, which records spans by default."""

import os

import telemetry

shutdown = telemetry.install()

import chatlas


def get_weather(city: str) -> str:
    """Get the current weather in a city.

    Parameters
    ----------
    city
        The city.
    """
    return telemetry.weather(city)


def run():
    constructor = chatlas.ChatOpenAI if telemetry.RESPONSES else chatlas.ChatOpenAICompletions
    chat = constructor(
        model=telemetry.MODEL,
        base_url=os.environ["OPENAI_BASE_URL"],
        system_prompt=telemetry.SYSTEM,
        kwargs={"max_retries": 0},
    )
    chat.set_model_params(temperature=0.5, max_tokens=256)
    chat.register_tool(get_weather)
    if not telemetry.STREAMS:
        print(chat.chat(telemetry.PROMPT, echo="none"))
        return
    stream = chat.stream(telemetry.PROMPT, echo="none")
    for text in stream:
        print(text, end="")
        if telemetry.SCENARIO == "dropped" and text:
            break
    stream.close()


try:
    run()
except Exception as error:
    print("failed:", type(error).__name__, error)
shutdown()
