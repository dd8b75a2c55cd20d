"""The four formats clients speak: writing a request, reading the answer, whole or streamed.

An answer becomes an `Answer`, in OpenAI's words, so that answers in different formats can be compared. A stream that breaks
its format's order raises `Broken`.
"""

import dataclasses
import json


class Broken(Exception):
    """An answer that its format does not allow."""


@dataclasses.dataclass
class Answer:
    """What a model answered."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list = dataclasses.field(default_factory=list)  # {"id", "name", "arguments": text}
    finish: str | None = None
    usage: dict = dataclasses.field(default_factory=dict)  # input, output, cached, reasoning: those that were told
    error: dict | None = None


def need(holds, what):
    if not holds:
        raise Broken(what)


def counts(**numbers):
    return {name: number for name, number in numbers.items() if number is not None}


def sse(body):
    """The events of a stream: (name or None, data)."""
    text = body.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    need(text.endswith("\n\n"), "the stream does not end with an empty line")
    for block in text.split("\n\n")[:-1]:
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
        if data:
            yield name, "\n".join(data)


# OpenAI chat completions


class Chat:
    """`POST /v1/chat/completions`."""

    dialect = "openai-chat"

    @staticmethod
    def path(_model, _stream):
        return "/v1/chat/completions"

    @staticmethod
    def request(neutral, model, stream):
        body = dict(neutral, model=model)
        if stream:
            body["stream"] = True
            body.setdefault("stream_options", {"include_usage": True})
        else:
            body.pop("stream", None)
            body.pop("stream_options", None)
        return body

    @staticmethod
    def usage(usage):
        usage = usage or {}
        prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
        return counts(input=usage.get("prompt_tokens"), output=usage.get("completion_tokens"),
                      cached=prompt.get("cached_tokens"), reasoning=completion.get("reasoning_tokens"))

    @classmethod
    def whole(cls, body):
        document = json.loads(body)
        need(document.get("object") in ("chat.completion", None), f"object is {document.get('object')!r}")
        choice = document["choices"][0]
        message = choice["message"]
        need(message.get("role") == "assistant", "no assistant's message")
        calls = [{"id": call["id"], **cls.function(call)} for call in message.get("tool_calls") or []]
        return Answer(message.get("content") or "", message.get("reasoning_content") or message.get("reasoning") or "", calls,
                      choice["finish_reason"], cls.usage(document.get("usage")))

    @classmethod
    def stream(cls, body):
        answer, done, calls = Answer(), False, {}
        for _, data in sse(body):
            need(not done, "something after [DONE]")
            if data == "[DONE]":
                done = True
                continue
            chunk = json.loads(data)
            if "error" in chunk:
                answer.error = chunk["error"]
                continue
            need(chunk.get("object") in ("chat.completion.chunk", "", None), f"object is {chunk.get('object')!r}")
            if chunk.get("usage"):
                answer.usage = cls.usage(chunk["usage"])
            for choice in chunk["choices"]:
                cls.delta(answer, calls, choice)
        need(done or answer.error, "no [DONE]")
        answer.tool_calls = [calls[index] for index in sorted(calls)]
        return answer

    @staticmethod
    def function(call):
        """A call's name and arguments, be it of a function or of a custom tool."""
        custom = call.get("custom")
        return {"name": custom.get("name"), "arguments": custom.get("input")} if custom else call.get("function") or {}

    @staticmethod
    def delta(answer, calls, choice):
        delta = choice.get("delta") or {}
        answer.text += delta.get("content") or ""
        answer.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
        for piece in delta.get("tool_calls") or []:
            function = Chat.function(piece)
            call = calls.setdefault(piece["index"], {"id": piece.get("id"), "name": function.get("name"), "arguments": ""})
            need(call["id"] and call["name"], "a tool call begins without an id or a name")
            call["arguments"] += function.get("arguments") or ""
        if choice.get("finish_reason"):
            need(answer.finish is None, "two finish reasons")
            answer.finish = choice["finish_reason"]


# Anthropic messages


class Messages:
    """`POST /v1/messages`."""

    dialect = "anthropic"
    finishes = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length",
                "refusal": "content_filter", "pause_turn": "stop", "model_context_window_exceeded": "length"}

    @staticmethod
    def path(_model, _stream):
        return "/v1/messages"

    @staticmethod
    def request(neutral, model, stream):
        system, said = plain(neutral)
        body = {"model": model, "max_tokens": neutral.get("max_tokens") or 2048, "messages": [{"role": "user", "content": said}]}
        if system:
            body["system"] = system
        tools = [{"name": name, "input_schema": schema, **({"description": text} if text else {})} for name, text, schema in functions(neutral)]
        if tools:
            body["tools"] = tools
        if stream:
            body["stream"] = True
        return body

    @staticmethod
    def usage(usage):
        usage = usage or {}
        read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        fresh = usage.get("input_tokens")
        thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
        return counts(input=None if fresh is None else fresh + (read or 0) + (written or 0),
                      output=usage.get("output_tokens"), cached=read, reasoning=thinking)

    @classmethod
    def answer(cls, content, stop, usage):
        text = "".join(block["text"] for block in content if block["type"] == "text")
        thought = "".join(block.get("thinking", "") for block in content if block["type"] == "thinking")
        calls = [{"id": block["id"], "name": block["name"], "arguments": json.dumps(block["input"])}
                 for block in content if block["type"] == "tool_use"]
        need(stop is None or stop in cls.finishes, f"unknown stop reason {stop!r}")
        return Answer(text, thought, calls, cls.finishes.get(stop), cls.usage(usage))

    @classmethod
    def whole(cls, body):
        document = json.loads(body)
        need(document.get("type") == "message" and document.get("role") == "assistant", "no message")
        return cls.answer(document["content"], document["stop_reason"], document["usage"])

    @classmethod
    def stream(cls, body):
        content, opened, usage, stop, error = [], None, {}, None, None
        phase = "before"
        for name, data in sse(body):
            event = json.loads(data)
            kind = event["type"]
            need(name == kind, f"event {name!r} holds {kind!r}")
            need(phase != "after", f"{kind} after message_stop")
            if kind == "message_start":
                need(phase == "before", "message_start twice")
                usage, phase = dict(event["message"]["usage"]), "within"
            elif kind == "content_block_start":
                need(opened is None and event["index"] == len(content), "blocks overlap or skip")
                opened = event["index"]
                content.append(dict(event["content_block"], partial=""))
            elif kind == "content_block_delta":
                need(event["index"] == opened, "a delta for a block that is not open")
                cls.delta(content[opened], event["delta"])
            elif kind == "content_block_stop":
                need(event["index"] == opened, "a stop for a block that is not open")
                cls.close(content[opened])
                opened = None
            elif kind == "message_delta":
                need(opened is None, "message_delta within a block")
                stop = event["delta"]["stop_reason"] or stop
                usage.update({key: value for key, value in (event.get("usage") or {}).items() if value is not None})
            elif kind == "message_stop":
                phase = "after"
            elif kind == "error":
                error = event["error"]
            else:
                need(kind == "ping", f"unknown event {kind!r}")
        need(phase == "after" or error, "no message_stop")
        answer = cls.answer(content, stop, usage)
        answer.error = error
        return answer

    @staticmethod
    def delta(block, delta):
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "input_json_delta":
                block["partial"] += delta["partial_json"]

    @staticmethod
    def close(block):
        if block["type"] == "tool_use" and block["partial"]:
            try:
                block["input"] = json.loads(block["partial"])
            except ValueError:
                block["input"] = {"input": block["partial"]}  # broken by the model


# OpenAI Responses


class Responses:
    """`POST /v1/responses`."""

    dialect = "openai-responses"

    @staticmethod
    def path(_model, _stream):
        return "/v1/responses"

    @staticmethod
    def request(neutral, model, stream):
        system, said = plain(neutral)
        body = {"model": model, "input": said}
        if system:
            body["instructions"] = system
        tools = [{"type": "function", "name": name, "parameters": schema, **({"description": text} if text else {})}
                 for name, text, schema in functions(neutral)]
        if tools:
            body["tools"] = tools
        if stream:
            body["stream"] = True
        return body

    @staticmethod
    def usage(usage):
        usage = usage or {}
        given, taken = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
        return counts(input=usage.get("input_tokens"), output=usage.get("output_tokens"),
                      cached=given.get("cached_tokens"), reasoning=taken.get("reasoning_tokens"))

    @classmethod
    def whole(cls, body):
        return cls.document(json.loads(body))

    @classmethod
    def document(cls, document):
        need(document.get("object") == "response", f"object is {document.get('object')!r}")
        answer = Answer(usage=cls.usage(document.get("usage")))
        for item in document["output"]:
            match item["type"]:
                case "message":
                    answer.text += "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])
                case "custom_tool_call":
                    answer.tool_calls.append({"id": item["call_id"], "name": item["name"], "arguments": item["input"]})
                case "function_call":
                    answer.tool_calls.append({"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]})
                case "reasoning":
                    parts = item.get("content") or item.get("summary") or []
                    answer.reasoning += "".join(part["text"] for part in parts)
        status = document["status"]
        if status == "incomplete":
            answer.finish = {"max_output_tokens": "length"}.get(document["incomplete_details"]["reason"], "content_filter")
        elif status == "completed":
            answer.finish = "tool_calls" if answer.tool_calls else "stop"
        elif document.get("error"):
            answer.error = document["error"]
        return answer

    @classmethod
    def stream(cls, body):
        last, number, text, error = None, -1, "", None
        for name, data in sse(body):
            if data == "[DONE]":
                continue
            event = json.loads(data)
            need(name == event["type"], f"event {name!r} holds {event['type']!r}")
            need(last is None, f"{name} after the end")
            # A provider that adds an error to its stream may not have counted it; who has goes on from it.
            counted = name != "error" or event.get("sequence_number") == number + 1
            if "sequence_number" in event and counted:
                need(event["sequence_number"] == number + 1, f"sequence number {event['sequence_number']} after {number}")
                number = event["sequence_number"]
            if name in ("response.output_text.delta", "response.refusal.delta"):
                text += event["delta"]
            elif name in ("response.completed", "response.incomplete", "response.failed"):
                last = event["response"]
            elif name == "error":
                error = event
        need(last or error, "no final event")
        if last is None:
            return Answer(text, error=error)
        answer = cls.document(last)
        # A failed response need not repeat what was said before.
        need(answer.error or answer.text == text, "the deltas and the final text differ")
        answer.error = answer.error or error
        return answer


# Gemini


class Gemini:
    """`POST /v1beta/models/{model}:generateContent`."""

    dialect = "gemini"
    finishes = {"STOP": "stop", "MAX_TOKENS": "length"}

    @staticmethod
    def path(model, stream):
        return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")

    @staticmethod
    def request(neutral, _model, _stream):
        system, said = plain(neutral)
        body = {"contents": [{"role": "user", "parts": [{"text": said}]}]}
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        tools = [{"name": name, "parametersJsonSchema": schema, **({"description": text} if text else {})}
                 for name, text, schema in functions(neutral)]
        if tools:
            body["tools"] = [{"functionDeclarations": tools}]
        return body

    @staticmethod
    def usage(usage):
        usage = usage or {}
        thoughts, candidates = usage.get("thoughtsTokenCount"), usage.get("candidatesTokenCount")
        output = None if thoughts is None and candidates is None else (thoughts or 0) + (candidates or 0)
        prompt, tools = usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount")
        return counts(input=None if prompt is None else prompt + (tools or 0), output=output,
                      cached=usage.get("cachedContentTokenCount"), reasoning=thoughts)

    @classmethod
    def whole(cls, body):
        answer = Answer()
        cls.piece(answer, json.loads(body))
        return cls.finished(answer)

    @classmethod
    def stream(cls, body):
        answer = Answer()
        for _, data in sse(body):
            cls.piece(answer, json.loads(data))
        return cls.finished(answer)

    @classmethod
    def piece(cls, answer, document):
        if "error" in document:
            answer.error = document["error"]
            return
        answer.usage |= cls.usage(document.get("usageMetadata"))
        for candidate in document.get("candidates") or []:
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    call = part["functionCall"]
                    answer.tool_calls.append({"id": call.get("id"), "name": call["name"], "arguments": json.dumps(call.get("args") or {})})
                elif part.get("thought"):
                    answer.reasoning += part.get("text", "")
                else:
                    answer.text += part.get("text", "")
            if candidate.get("finishReason"):
                answer.finish = cls.finishes.get(candidate["finishReason"], "content_filter")

    @staticmethod
    def finished(answer):
        if answer.finish == "stop" and answer.tool_calls:
            answer.finish = "tool_calls"
        return answer


CLIENTS = {client.dialect: client for client in (Chat, Messages, Responses, Gemini)}


def plain(neutral):
    """The system prompt and the last thing said, as texts."""
    system, said = "", "Hello"
    for message in neutral.get("messages") or []:
        content = message.get("content")
        text = content if isinstance(content, str) else " ".join(part.get("text") or "" for part in content or [])
        if message["role"] in ("system", "developer"):
            system += text
        elif message["role"] == "user" and text.strip():
            said = text
    return system, said


def functions(neutral):
    """The function tools: (name, description, schema)."""
    for tool in neutral.get("tools") or []:
        function = tool.get("function") if tool.get("type", "function") == "function" else None
        if function:
            yield function["name"], function.get("description"), function.get("parameters") or {"type": "object", "properties": {}}
