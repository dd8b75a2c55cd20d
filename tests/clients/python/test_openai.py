"""OpenAI's SDK: chat, streams, tools, images, structured output, embeddings, models, Responses, errors."""

import json

import openai
import pydantic
import pytest
from harness.scripted import PIXEL, RETRY_AFTER
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response


@pytest.fixture(scope="module")
def client(gateway, key):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


def said(text):
    return [{"role": "user", "content": text}]


def strictly(kind, raw):
    """An answer's own bytes, held against the SDK's type without any coercion."""
    return kind.model_validate_json(raw.http_response.content, strict=True)


def test_chat(client):
    raw = client.chat.completions.with_raw_response.create(model="demo/echo", messages=said("hello there"))
    completion = strictly(ChatCompletion, raw)
    assert completion.choices[0].message.content == "You said: hello there"
    assert completion.choices[0].finish_reason == "stop"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (2, 4, 6)


def test_chat_stream(client):
    stream = client.chat.completions.create(model="demo/echo", messages=said("one two three"), stream=True,
                                            stream_options={"include_usage": True})
    chunks = list(stream)
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.to_json(), strict=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: one two three"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 8
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_tells_no_usage_unasked(client):
    chunks = list(client.chat.completions.create(model="demo/echo", messages=said("hi"), stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_tools_round_trip(client, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather, "strict": True}}]
    first = client.chat.completions.create(model="demo/echo", messages=said("Oslo"), tools=tools)
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
    history = [*said("Oslo"), first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    second = client.chat.completions.create(model="demo/echo", messages=history, tools=tools)
    assert second.choices[0].message.content == "The tool said: rain"


def test_streamed_tool_call(client, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    with client.chat.completions.stream(model="demo/echo", messages=said("Oslo by night"), tools=tools) as stream:
        stream.until_done()
        completion = stream.get_final_completion()
    call = completion.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo by night"}


def test_images(client, scripted):
    url = f"data:image/png;base64,{PIXEL}"
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    client.chat.completions.create(model="scripted-anthropic", messages=said(content))
    block = scripted.asked[-1][2]["messages"][0]["content"][1]
    assert block == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    client.chat.completions.create(model="scripted-gemini", messages=said(content))
    part = scripted.asked[-1][2]["contents"][0]["parts"][1]
    assert part == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}


class Place(pydantic.BaseModel):
    city: str
    sunny: bool


def test_structured_output(client):
    parsed = client.chat.completions.parse(model="demo/echo", messages=said("Oslo"), response_format=Place)
    assert parsed.choices[0].message.parsed == Place(city="Oslo", sunny=True)


def test_embeddings(client):
    raw = client.embeddings.with_raw_response.create(model="demo/echo", input=["a", "b"], encoding_format="float")
    answer = strictly(CreateEmbeddingResponse, raw)
    assert [entry.index for entry in answer.data] == [0, 1]
    assert all(isinstance(number, float) for entry in answer.data for number in entry.embedding)
    packed = client.embeddings.create(model="demo/echo", input=["a"])  # the SDK asks for base64
    assert packed.data[0].embedding == pytest.approx(answer.data[0].embedding)


def test_models(client):
    assert "demo/echo" in [model.id for model in client.models.list()]
    assert client.models.retrieve("demo/echo").id == "demo/echo"


# Responses


def test_responses(client):
    raw = client.responses.with_raw_response.create(model="demo/echo", input="hello there")
    answer = strictly(Response, raw)
    assert answer.output_text == "You said: hello there"
    assert (answer.status, answer.usage.total_tokens) == ("completed", 6)


def test_responses_stream(client):
    with client.responses.stream(model="demo/echo", input="one two") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "You said: one two"
    assert [event.type for event in events][:2] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_responses_tools_round_trip(client, weather):
    tools = [{"type": "function", "name": "weather", "parameters": weather, "strict": True}]
    first = client.responses.create(model="demo/echo", input="Oslo", tools=tools)
    call = next(item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"city": "Oslo"}
    history = [{"role": "user", "content": "Oslo"}, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    assert client.responses.create(model="demo/echo", input=history, tools=tools).output_text == "The tool said: rain"


def test_responses_structured_output(client):
    parsed = client.responses.parse(model="demo/echo", input="Oslo", text_format=Place)
    assert parsed.output_parsed == Place(city="Oslo", sunny=True)


# Errors


def test_bad_key(gateway):
    stranger = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="demo/echo", messages=said("hi"))


def test_unknown_model(client):
    with pytest.raises(openai.BadRequestError) as caught:  # as LiteLLM's proxy tells it
        client.chat.completions.create(model="no-such-model", messages=said("hi"))
    assert caught.value.code == "model_not_found"
    assert "no-such-model" in caught.value.message


def test_bad_requests(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="demo/echo", messages=[])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="scripted-anthropic", messages="hello")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(("status", "kind"), [
    (400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError),
    (401, openai.InternalServerError), (529, openai.InternalServerError),
])
def test_upstream_errors(client, provider, status, kind):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=f"{provider}-{status}", messages=said("hi"))
    if status == 429:
        assert caught.value.response.headers["retry-after"] == str(RETRY_AFTER)
    if status == 400:
        assert "scripted 400" in caught.value.message


@pytest.mark.parametrize("status", [400, 429, 500])
def test_streams_fail_before_they_begin(client, status):
    kind = {400: openai.BadRequestError, 429: openai.RateLimitError, 500: openai.InternalServerError}[status]
    with pytest.raises(kind):
        client.chat.completions.create(model=f"openai-{status}", messages=said("hi"), stream=True)
