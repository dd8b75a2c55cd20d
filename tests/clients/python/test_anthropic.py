"""Anthropic's SDK: messages, streams, tools, images, counting, models, errors."""

import anthropic
import pydantic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from harness.scripted import PIXEL

EVENT = pydantic.TypeAdapter(RawMessageStreamEvent)


@pytest.fixture(scope="module")
def client(gateway, key):
    return anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0)


def said(text):
    return [{"role": "user", "content": text}]


def test_message(client):
    raw = client.messages.with_raw_response.create(model="demo/echo", max_tokens=100, messages=said("hello there"), system="Be brief.")
    message = Message.model_validate_json(raw.http_response.content, strict=True)
    assert message.content[0].text == "You said: hello there"
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (4, 4)


def test_stream(client):
    with client.messages.stream(model="demo/echo", max_tokens=100, messages=said("one two three")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "You said: one two three"
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 5)


def test_raw_events(client):
    events = list(client.messages.create(model="demo/echo", max_tokens=100, messages=said("one"), stream=True))
    for event in events:
        EVENT.validate_json(event.to_json(), strict=True)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_tools_round_trip(client, weather):
    tools = [{"name": "weather", "description": "Tells the weather", "input_schema": weather}]
    first = client.messages.create(model="demo/echo", max_tokens=100, messages=said("Oslo"), tools=tools)
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, call.input) == ("weather", {"city": "Oslo"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
    history = [*said("Oslo"), {"role": "assistant", "content": first.content}, *said([result])]
    second = client.messages.create(model="demo/echo", max_tokens=100, messages=history, tools=tools)
    assert second.content[0].text == "The tool said: rain"


def test_streamed_tool_call(client, weather):
    tools = [{"name": "weather", "input_schema": weather}]
    with client.messages.stream(model="demo/echo", max_tokens=100, messages=said("Oslo by night"), tools=tools) as stream:
        final = stream.get_final_message()
    assert final.content[0].input == {"city": "Oslo by night"}


def test_images(client, scripted):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [{"type": "text", "text": "What is it?"}, image]
    client.messages.create(model="scripted-openai", max_tokens=100, messages=said(content))
    part = scripted.asked[-1][2]["messages"][0]["content"][1]
    assert part["type"] == "image_url" and part["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    client.messages.create(model="scripted-gemini", max_tokens=100, messages=said(content))
    assert scripted.asked[-1][2]["contents"][0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}


def test_models(client):
    assert "demo/echo" in [model.id for model in client.models.list()]


def test_bad_key(gateway):
    stranger = anthropic.Anthropic(base_url=gateway.url, api_key="sk-wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as caught:
        stranger.messages.create(model="demo/echo", max_tokens=100, messages=said("hi"))
    assert caught.value.body["error"]["type"] == "authentication_error"


def test_unknown_model(client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model="no-such-model", max_tokens=100, messages=said("hi"))
    assert caught.value.body["error"]["type"] == "not_found_error"


def test_bad_request(client):
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="scripted-openai", max_tokens=100, messages=said([{"type": "nonsense"}]))
    assert caught.value.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(("status", "kind"), [
    (400, anthropic.BadRequestError), (429, anthropic.RateLimitError), (500, anthropic.InternalServerError),
    (503, anthropic.InternalServerError), (529, anthropic.InternalServerError), (401, anthropic.InternalServerError),
])
def test_upstream_errors(client, provider, status, kind):
    with pytest.raises(kind) as caught:
        client.messages.create(model=f"{provider}-{status}", max_tokens=100, messages=said("hi"))
    assert caught.value.body["type"] == "error"
