"""Every recorded answer, translated for OpenAI's and Anthropic's clients, is of the types their libraries declare.

The libraries themselves take what they get; those that are built on them do not (pydantic-ai, the AI SDK, generated clients), and
refuse a whole answer for one word that is not among those declared.
"""

import collections
import functools
import json
import typing

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from harness.gateway import Gateway
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

from clients import Chat, Messages, Responses, sse
from drive import drive
from plan import chats, configuration, written
from routes import dialect

WHOLE = {Chat: ChatCompletion, Responses: Response, Messages: Message}
# What is looked past, and why: the client, the place, what is wrong there.
PAST = (
    # Counted only where a provider counts it: no number is made up.
    (Messages, "server_tool_use.web_fetch_requests", "missing"),
    (Messages, "server_tool_use.web_search_requests", "missing"),
    (Chat, "usage.prompt_tokens", "missing"),
    (Chat, "usage.completion_tokens", "missing"),
    (Chat, "usage.total_tokens", "missing"),
    # OpenAI sends more codes than its library declares, and clients act on them.
    (Responses, "response.error.code", "literal_error"),
    # Sent so by OpenAI itself, for tools that take free text.
    (Chat, "tool_calls.#.type", "literal_error"),
)
# A word of OpenRouter's own, which its answers have in OpenAI's field.
OWN = ("provisioned",)


def by_type(union):
    """The types of a union of events, by the word in their `type`."""
    union = typing.get_args(union)[0] if typing.get_origin(union) is typing.Annotated else union
    return {word: member for member in typing.get_args(union) for word in typing.get_args(member.model_fields["type"].annotation)}


EVENTS = {Responses: by_type(ResponseStreamEvent), Messages: by_type(RawMessageStreamEvent)}


def pieces(client, body):
    """What a stream holds, each with its declared type."""
    for _, data in sse(body):
        if data == "[DONE]":
            continue
        event = json.loads(data)
        kind = event.get("type")
        if "error" in event:
            continue  # The recorded stream ends in one: no library declares it.
        yield data, ChatCompletionChunk if client is Chat else EVENTS[client].get(kind)


adapter = functools.cache(TypeAdapter)


def wrong(model, data):
    """What is not as declared: (place, kind)."""
    if model is None:
        return [("type", "unknown event")]
    try:
        adapter(model).validate_json(data, strict=True)
    except ValidationError as error:
        return [(".".join("#" if isinstance(step, int) else step for step in one["loc"]), one["type"])
                for one in error.errors() if one["input"] not in OWN]
    return []


def is_past(client, place, kind):
    return any(client is one and place.endswith(end) and kind == what for one, end, what in PAST)


@pytest.mark.parametrize("client", WHOLE, ids=lambda client: client.dialect)
def test_answers_are_of_the_declared_types(client, recorded, replay):
    corpus, _ = recorded
    rows = [row for row in chats(corpus.values()) if row["status"] == 200 and dialect(row["api"]) != client.dialect]
    jobs = [written(row, client) for row in rows]
    found, sound = collections.defaultdict(list), 0
    with Gateway(configuration(jobs, replay.url)) as gateway:
        for outcome in drive(jobs, gateway, replay):
            if outcome.status != 200 or outcome.cut:
                continue  # How these must be is for the replay to say.
            parts = pieces(client, outcome.body) if outcome.job.stream else [(outcome.body, WHOLE[client])]
            missed = {(place, kind) for data, model in parts for place, kind in wrong(model, data) if not is_past(client, place, kind)}
            sound += not missed
            for place, kind in missed:
                found[place, kind].append(outcome.job.row["id"])
    told = [f"{place}: {kind}, {len(ids)} times, first {ids[0]}" for (place, kind), ids in sorted(found.items(), key=lambda item: -len(item[1]))]
    assert not found, f"{sound} answers are as declared; of the others:\n" + "\n".join(told)
    assert sound > len(jobs) * 0.9, f"only {sound} of {len(jobs)} were answered"
