"""A scripted upstream on loopback: canned answers in each provider's format, errors on demand, and a record of what was asked.

The first path segment of a deployment's base URL is the order: `/ok`, `/status-429`, …; at `/stream` those who ask for a stream get one.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIGNATURE = "c2VhbGVkLWJ5LXRoZS1tb2RlbA=="
RETRY_AFTER = 7
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

OPENAI = {
    "id": "chatcmpl-scripted", "object": "chat.completion", "created": 1700000000, "model": "scripted",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "It is fine.", "refusal": None}}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
}
ANTHROPIC = {
    "id": "msg_scripted", "type": "message", "role": "assistant", "model": "scripted",
    "content": [
        {"type": "thinking", "thinking": "The tool will know.", "signature": SIGNATURE},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use", "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 9, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0},
}
GEMINI = {
    "candidates": [{
        "content": {"role": "model", "parts": [
            {"text": "The tool will know.", "thought": True},
            {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": SIGNATURE},
        ]},
        "finishReason": "STOP", "index": 0,
    }],
    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 20},
    "modelVersion": "scripted", "responseId": "scripted",
}
RESPONSES = {
    "id": "resp_scripted", "object": "response", "created_at": 1700000000, "status": "completed", "model": "scripted",
    "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
    "tool_choice": "auto", "tools": [], "top_p": 1.0,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "The tool will know."}],
         "encrypted_content": SIGNATURE},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{\"city\": \"Oslo\"}", "status": "completed"},
    ],
    "usage": {"input_tokens": 11, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 9,
              "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 20},
}
RERANKED = {"id": "rerank-scripted", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "meta": {"billed_units": {"search_units": 1}}}
PAINTED = {"created": 1700000000, "data": [{"b64_json": PIXEL}],
           "usage": {"input_tokens": 5, "output_tokens": 8, "total_tokens": 13, "input_tokens_details": {"text_tokens": 5, "image_tokens": 0}}}
HEARD = {"text": "It is fine.", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}}
EMBEDDINGS = {
    "object": "list", "model": "scripted", "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}




def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def streamed(path):
    """The same answers as their providers stream them: (event's name, payload), `None` for an event without one."""
    if path.endswith("/messages"):
        thought, call = ANTHROPIC["content"]
        start = without(ANTHROPIC, "content", "stop_reason") | {"content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}
        return [(event["type"], event) for event in (
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": thought["thinking"]}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": SIGNATURE}},
            {"type": "content_block_stop", "index": 0},
            {"type": "ping"},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Let me look."}},
            {"type": "content_block_stop", "index": 1},
            {"type": "content_block_start", "index": 2, "content_block": call | {"input": {}}},
            {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}},
            {"type": "content_block_stop", "index": 2},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 9}},
            {"type": "message_stop"},
        )]
    if path.endswith("/responses"):
        thought, call = RESPONSES["output"]
        begun = RESPONSES | {"status": "in_progress", "output": [], "usage": None}
        events = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": thought | {"summary": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": thought},
            {"type": "response.output_item.added", "output_index": 1, "item": call | {"arguments": "", "status": "in_progress"}},
            {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": call["arguments"]},
            {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 1, "name": "weather", "arguments": call["arguments"]},
            {"type": "response.output_item.done", "output_index": 1, "item": call},
            {"type": "response.completed", "response": RESPONSES},
        ]
        return [(event["type"], event | {"sequence_number": number}) for number, event in enumerate(events)]
    if ":streamGenerateContent" in path:
        return [(None, GEMINI)]
    chunk = without(OPENAI, "choices", "usage") | {"object": "chat.completion.chunk"}
    deltas = [({"role": "assistant", "content": ""}, None), ({"content": "It is fine."}, None), ({}, "stop")]
    chunks = [chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": why}]} for delta, why in deltas]
    return [(None, one) for one in (*chunks, chunk | {"choices": [], "usage": OPENAI["usage"]}, "[DONE]")]


# The statuses of `google.rpc.Code` that go with HTTP's.
GOOGLE = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT",
          422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 529: "UNAVAILABLE"}


def canned(path):
    """The answer to a path, and how that provider writes errors."""
    if path.endswith("/messages"):
        return ANTHROPIC, lambda status: {"type": "error", "error": {"type": "api_error", "message": f"scripted {status}"}}
    if "enerateContent" in path:
        return GEMINI, lambda status: {"error": {"code": status, "message": f"scripted {status}", "status": GOOGLE[status]}}
    others = {"/responses": RESPONSES, "/embeddings": EMBEDDINGS, "/rerank": RERANKED, "/images/generations": PAINTED,
              "/audio/transcriptions": HEARD}
    answer = next((others[end] for end in others if path.endswith(end)), OPENAI)
    return answer, lambda status: {"error": {"message": f"scripted {status}", "type": "error", "param": None, "code": None}}


class Scripted:
    """A running scripted upstream. `url` is its address without a path; `asked` holds (path, headers, body) of each request; the last of
    them is also at `GET /asked`."""

    def __init__(self):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(200, {"path": asked[-1][0], "body": asked[-1][2]} if asked else {})

            def do_POST(self):
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size) if size else b""
                path = self.path.split("?")[0]
                is_json = (self.headers.get("content-type") or "application/json").startswith("application/json")
                read = json.loads(body or b"{}") if is_json else {"form": body.decode("latin-1")}
                asked.append((path, {name.lower(): value for name, value in self.headers.items()}, read))
                if path.startswith("/stream/") and (read.get("stream") or ":streamGenerateContent" in path):
                    return self.stream(streamed(path))
                if path.endswith("/audio/speech"):
                    return self.send(200, "audio/mpeg", b"ID3scripted")
                answer, error = canned(path)
                ordered = re.match(r"/status-(\d+)/", path)
                status = int(ordered.group(1)) if ordered else 200
                self.answer(status, error(status) if ordered else answer)

            def stream(self, events):
                lines = []
                for name, payload in events:
                    lines += [f"event: {name}\n"] if name else []
                    lines.append(f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n")
                self.send(200, "text/event-stream", "".join(lines).encode())

            def answer(self, status, document):
                self.send(status, "application/json", json.dumps(document).encode())

            def send(self, status, kind, written):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(written)))
                if status in (429, 503):
                    self.send_header("retry-after", str(RETRY_AFTER))
                self.end_headers()
                self.wfile.write(written)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
