"""OpenRouter's SDK against the gateway's OpenRouter face, `/api/v1`."""

import pytest
from harness.scripted import PIXEL
from openrouter import OpenRouter, errors


@pytest.fixture(scope="module")
def client(gateway, key):
    return OpenRouter(api_key=key, server_url=f"{gateway.url}/api/v1")


def said(text):
    return [{"role": "user", "content": text}]


def test_chat(client):
    answer = client.chat.send(model="demo/echo", messages=said("hello there"))
    assert answer.choices[0].message.content == "You said: hello there"
    assert answer.usage.total_tokens == 6


def test_stream(client):
    with client.chat.send(model="demo/echo", messages=said("one two three"), stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: one two three"


def test_tools_round_trip(client, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    first = client.chat.send(model="demo/echo", messages=said("Oslo"), tools=tools)
    message = first.choices[0].message
    call = message.tool_calls[0]
    assert call.function.name == "weather"
    history = [*said("Oslo"), {"role": "assistant", "content": "", "tool_calls": [call.model_dump()]},
               {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    assert client.chat.send(model="demo/echo", messages=history, tools=tools).choices[0].message.content == "The tool said: rain"


def test_images(client, scripted):
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    client.chat.send(model="scripted-anthropic", messages=said(content))
    assert scripted.asked[-1][2]["messages"][0]["content"][1]["source"]["data"] == PIXEL


def test_reasoning(client, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    message = client.chat.send(model="scripted-anthropic", messages=said("Oslo?"), tools=tools).choices[0].message
    assert message.reasoning == "The tool will know."
    assert message.reasoning_details


def test_embeddings(client):
    answer = client.embeddings.generate(model="demo/echo", input="hello")
    assert len(answer.data[0].embedding) == 8


def test_models(client):
    listed = client.models.list()
    models = {model.id: model for model in listed.result.data}
    assert "demo/echo" in models
    assert models["demo/echo"].links.details.endswith("/models/demo/echo/endpoints")


def test_errors(gateway, client):
    stranger = OpenRouter(api_key="sk-wrong", server_url=f"{gateway.url}/api/v1")
    with pytest.raises(errors.UnauthorizedResponseError):
        stranger.chat.send(model="demo/echo", messages=said("hi"))
    with pytest.raises((errors.NotFoundResponseError, errors.BadRequestResponseError)):
        client.chat.send(model="no-such-model", messages=said("hi"))


@pytest.mark.parametrize(("model", "kind"), [("openai-429", errors.TooManyRequestsResponseError), ("anthropic-400", errors.BadRequestResponseError)])
def test_upstream_errors(client, model, kind):
    with pytest.raises(kind):
        client.chat.send(model=model, messages=said("hi"), retries=None)
