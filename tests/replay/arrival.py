"""Whether a request reached the upstream as its client wrote it, apart from the edits that are due."""

import copy
import re

from routes import PROVIDERS, dialect, upstream_model


def provider_row(row):
    return PROVIDERS.get(upstream_model(row, dialect(row["api"])).split("/", 1)[0], {})


def due(row, sent):
    """The body that must arrive upstream for a body a client sent in the upstream's own dialect."""
    edits = provider_row(row).get("edits", {})
    body = {key: value for key, value in sent.items() if key != "model"}
    for old, new in edits.get("rename", {}).items():
        if old in body and new not in body:
            body[new] = body.pop(old)
    for key in edits.get("remove", []):
        body.pop(key, None)
    return body


def differences(row, sent, arrived):
    """Fields that differ between what must arrive and what did."""
    wanted = due(row, sent)
    got = {key: value for key, value in arrived.items() if key != "model"}
    if got.get("stream_options") != wanted.get("stream_options") and wanted.get("stream"):
        options = dict(wanted.get("stream_options") or {}, include_usage=True)
        if got.get("stream_options") == options:  # usage is always asked for, and hidden from a client that did not ask
            wanted["stream_options"] = options
    if upstream_model(row, dialect(row["api"])).startswith("vertex_ai/claude"):
        wanted["anthropic_version"] = "vertex-2023-10-16"
    length = provider_row(row).get("accent", {}).get("call_ids")
    fitting = f"[A-Za-z0-9]{{{length}}}"
    if length and all(re.fullmatch(fitting, name) for name in call_ids(got)):
        # The provider refuses other ids (the recorder wrote its own over them): some that fit stand for them, one for one.
        wanted, got = numbered(wanted), numbered(got)
    return sorted(key for key in wanted.keys() | got.keys() if wanted.get(key, ...) != got.get(key, ...))


def call_ids(body):
    """The ids of the calls in a conversation, in their order, each as often as it is named."""
    for message in body.get("messages") or []:
        yield from (call["id"] for call in message.get("tool_calls") or [])
        if message.get("tool_call_id"):
            yield message["tool_call_id"]


def numbered(body):
    """The body with each id of a call replaced by its number among them, and no text beside calls said in one way."""
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(call_ids(body)))}
    body = copy.deepcopy(body)
    for message in body.get("messages") or []:
        for call in message.get("tool_calls") or []:
            call["id"] = numbers[call["id"]]
            message["content"] = message.get("content") or None
        if message.get("tool_call_id"):
            message["tool_call_id"] = numbers[message["tool_call_id"]]
    return body
