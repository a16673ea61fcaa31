"""The scripted model server: Chat Completions and Responses, streaming and not.

Every path starts with a scenario, so that a subject needs only another base URL:
`http://127.0.0.1:PORT/tool/v1`. The responses are fixed, so the expected telemetry is too. `USAGE` has
the expected token counts.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "gpt-4o"
RESPONSE_MODEL = "gpt-4o-2024-08-06"
CALL = "call_peers_1"

# Each content has a unique word, by which it is found in the telemetry.
SYSTEM = "You are a concise travel assistant, codename heliotrope."
PROMPT = "What shall I pack for marzipan season in Kanazawa?"
CITY = "Kanazawa"
RESULT = "14 degrees and drizzle, measured at the periwinkle station"
ANSWER = "Pack an umbrella and your quicksilver raincoat."
CONTENT = {
    "system prompt": "heliotrope",
    "prompt": "marzipan",
    "tool arguments": CITY,
    "tool result": "periwinkle",
    "answer": "quicksilver",
}
TOOL_ERROR = "the weather station does not answer"
KEY = "sk-peers-5b1c9d7e0f3a4468a2d0c1b7e9f85a36"

# The reported usage of each call. The first response calls the tool, the second is the answer.
USAGE = {
    "call": {"input": 82, "output": 29, "cached": 64, "reasoning": 11},
    "answer": {"input": 140, "output": 37, "cached": 96, "reasoning": 5},
}
IDS = {"call": "resp_peers_1", "answer": "resp_peers_2"}

FAILURES = {
    "limited": (429, "rate_limit_exceeded", "Rate limit reached for gpt-4o."),
    "broken": (500, None, "The server had an error while processing your request."),
    "refused": (401, "invalid_api_key", f"Incorrect API key provided: {KEY}."),
}
PAUSE = 0.02


def completions_usage(step):
    cost = USAGE[step]
    return {
        "prompt_tokens": cost["input"],
        "completion_tokens": cost["output"],
        "total_tokens": cost["input"] + cost["output"],
        "prompt_tokens_details": {"cached_tokens": cost["cached"], "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": cost["reasoning"],
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def completion(step):
    arguments = json.dumps({"city": CITY})
    call = {"id": CALL, "type": "function"}
    call["function"] = {"name": "get_weather", "arguments": arguments}
    message = {"role": "assistant", "content": ANSWER if step == "answer" else None}
    message["refusal"] = None
    if step == "call":
        message["tool_calls"] = [call]
    reason = "stop" if step == "answer" else "tool_calls"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return completion_head(step, "chat.completion") | {
        "choices": [choice],
        "usage": completions_usage(step),
    }


def completion_head(step, kind):
    return {
        "id": IDS[step],
        "object": kind,
        "created": 1764000000,
        "model": RESPONSE_MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_peers",
    }


def completion_chunks(step, include_usage):
    head = completion_head(step, "chat.completion.chunk")

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        extra = {"usage": None} if include_usage else {}
        return head | {"choices": [choice]} | extra

    if step == "call":
        function = {"name": "get_weather", "arguments": ""}
        call = {"index": 0, "id": CALL, "type": "function", "function": function}
        yield chunk({"role": "assistant", "content": None, "tool_calls": [call]})
        for part in ('{"city":', f'"{CITY}', '"}'):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
        yield chunk({}, "tool_calls")
    else:
        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for word in ANSWER.split(" "):
            yield chunk({"content": word + " "})
        yield chunk({}, "stop")
    if include_usage:
        yield head | {"choices": [], "usage": completions_usage(step)}


def response(step, status="completed", full=True):
    cost = USAGE[step]
    usage = {
        "input_tokens": cost["input"],
        "input_tokens_details": {"cached_tokens": cost["cached"]},
        "output_tokens": cost["output"],
        "output_tokens_details": {"reasoning_tokens": cost["reasoning"]},
        "total_tokens": cost["input"] + cost["output"],
    }
    return {
        "id": IDS[step],
        "object": "response",
        "created_at": 1764000000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": 256,
        "model": RESPONSE_MODEL,
        "output": [item(step)] if full else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if full else None,
        "user": None,
        "metadata": {},
    }


def item(step, full=True):
    status = "completed" if full else "in_progress"
    if step == "call":
        arguments = json.dumps({"city": CITY}) if full else ""
        return {
            "type": "function_call",
            "id": "fc_peers_1",
            "call_id": CALL,
            "name": "get_weather",
            "arguments": arguments,
            "status": status,
        }
    return {
        "type": "message",
        "id": "msg_peers_1",
        "role": "assistant",
        "status": status,
        "content": [text_part(ANSWER)] if full else [],
    }


def text_part(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def response_events(step):
    number = 0

    def event(kind, **fields):
        nonlocal number
        number += 1
        return {"type": kind, "sequence_number": number - 1} | fields

    position = {"output_index": 0, "item_id": item(step)["id"]}
    yield event("response.created", response=response(step, "in_progress", full=False))
    yield event("response.in_progress", response=response(step, "in_progress", full=False))
    yield event("response.output_item.added", output_index=0, item=item(step, full=False))
    if step == "call":
        for part in ('{"city": ', f'"{CITY}', '"}'):
            yield event("response.function_call_arguments.delta", delta=part, **position)
        arguments = json.dumps({"city": CITY})
        yield event(
            "response.function_call_arguments.done",
            arguments=arguments,
            name="get_weather",
            **position,
        )
    else:
        position["content_index"] = 0
        yield event("response.content_part.added", part=text_part(""), **position)
        words = ANSWER.split(" ")
        for index, word in enumerate(words):
            delta = word if index + 1 == len(words) else word + " "
            yield event("response.output_text.delta", delta=delta, logprobs=[], **position)
        yield event("response.output_text.done", text=ANSWER, logprobs=[], **position)
        yield event("response.content_part.done", part=text_part(ANSWER), **position)
    yield event("response.output_item.done", output_index=0, item=item(step))
    yield event("response.completed", response=response(step))


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.respond(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        scenario = self.path.split("/")[1]
        time.sleep(PAUSE)
        if scenario in FAILURES:
            status, code, message = FAILURES[scenario]
            kind = {429: "tokens", 401: "invalid_request_error"}.get(status, "server_error")
            error = {"message": message, "type": kind, "param": None, "code": code}
            self.respond(status, {"error": error})
            return
        responses = self.path.endswith("/responses")
        step = "answer" if scenario in ("torn", "dropped") or has_tool_result(body) else "call"
        if not body.get("stream"):
            self.respond(200, response(step) if responses else completion(step))
            return
        usage = (body.get("stream_options") or {}).get("include_usage", False)
        events = response_events(step) if responses else completion_chunks(step, usage)
        self.stream(events, responses, torn=scenario == "torn", slow=scenario == "dropped")

    def respond(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", "req_peers")
        if status == 429:
            self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events, named, torn, slow):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        texts = 0
        try:
            for event in events:
                time.sleep(0.2 if slow else PAUSE)
                name = f"event: {event['type']}\n" if named else ""
                self.chunk(f"{name}data: {json.dumps(event)}\n\n")
                texts += "content" in str(event.get("choices")) or "delta" in event
                if torn and texts > 3:
                    self.close_connection = True
                    self.connection.shutdown(2)  # without the last chunk: the stream is truncated
                    return
            if not named:
                self.chunk("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # the client has disconnected

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def has_tool_result(body):
    """Returns whether the request contains the result of the tool."""
    messages = body.get("messages") or body.get("input") or []
    if isinstance(messages, str):
        return False
    return any(m.get("role") == "tool" or m.get("type") == "function_call_output" for m in messages)


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Model)

    def handle_error(self, *_):
        pass  # some scenarios disconnect
