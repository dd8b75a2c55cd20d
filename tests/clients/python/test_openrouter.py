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


def test_pictures_in_prompts(client, scripted):
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


def test_tools_streamed(client, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    for model in ("streamed-anthropic", "streamed-responses", "streamed-gemini"):
        with client.chat.send(model=model, messages=said("Oslo?"), tools=tools, stream=True) as stream:
            chunks = [chunk for chunk in stream if chunk.choices]
        calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
        assert [call.function.name for call in calls if call.function.name] == ["weather"], model
        assert "".join(call.function.arguments or "" for call in calls).replace(" ", "") == '{"city":"Oslo"}', model
        assert chunks[-1].choices[0].finish_reason == "tool_calls", model


def test_preferences(client, scripted):
    def sent(**preferences):
        client.chat.send(model="market/pair", messages=said("hi"), provider=preferences)
        return scripted.asked[-1][0].split("/")[1]
    assert sent(only=["openai"]) == "first" and sent(only=["deepinfra"]) == "second"
    assert sent(ignore=["deepinfra"]) == "first" and sent(sort="price") == "second"
    assert sent(order=["openai", "deepinfra"], allow_fallbacks=False) == "first"
    assert sent(max_price={"prompt": 0.1}) == "second" and sent(zdr=True) == "second"
    with pytest.raises(errors.NotFoundResponseError):
        sent(only=["groq"])


def test_fallback_to_another_model(client):
    answer = client.chat.send(models=["openai-500", "market/pair"], messages=said("hi"), retries=None)
    assert answer.choices[0].message.content == "It is fine."


def test_usage_and_metadata(client):
    answer = client.chat.send(model="market/pair", messages=said("hi"), x_open_router_metadata="enabled")
    assert answer.usage.cost > 0 and answer.usage.cost_details.upstream_inference_cost > 0
    assert [attempt.status for attempt in answer.openrouter_metadata.attempts] == [200]


@pytest.mark.parametrize("model", ["demo/echo", "scripted-anthropic", "scripted-responses", "streamed-anthropic"])
def test_responses(client, model):
    answer = client.responses.send(model=model, input="Oslo?")
    assert answer.status == "completed" and answer.output and answer.usage.total_tokens > 0
    with client.responses.send(model=model, input="Oslo?", stream=True) as stream:
        events = list(stream)
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert [item.type for item in events[-1].response.output]


def test_rerank(client):
    answer = client.rerank.rerank(model="market/rank", query="q", documents=["a", "b"])
    assert [(one.index, one.document.text) for one in answer.results] == [(1, "b"), (0, "a")]


def test_images(client):
    answer = client.images.generate(model="market/paint", prompt="a cat")
    assert answer.data[0].b64_json == PIXEL and answer.usage.completion_tokens == 8
    assert [model.id for model in client.images.list_models().data] == ["market/paint"]
    assert client.images.list_model_endpoints(author="market", slug="paint").endpoints


def test_speech(client, scripted):
    sound = client.tts.create_speech(model="market/speak", input="hi", voice="alloy")
    assert sound.read() == b"ID3scripted"
    heard = client.stt.create_transcription(model="market/hear", input_audio={"data": "UklGRg==", "format": "wav"}, language="en")
    assert heard.text == "It is fine." and heard.usage.total_tokens == 19
    form = scripted.asked[-1][2]["form"]
    assert 'filename="audio.wav"' in form and "\r\n\r\nRIFF\r\n" in form and 'name="language"\r\n\r\nen' in form
    again = client.stt.create_transcription_multipart(model="market/hear", file={"file_name": "a.wav", "content": b"RIFF"})
    assert again.text == "It is fine."


def test_models(client):
    listed = client.models.list()
    models = {model.id: model for model in listed.result.data}
    assert "demo/echo" in models
    assert models["demo/echo"].links.details.endswith("/models/demo/echo/endpoints")


def test_catalogue(client):
    assert client.models.get(author="market", slug="pair").data.id == "market/pair"
    assert client.models.count(output_modalities="embeddings").data.count == 1
    assert [model.id for model in client.embeddings.list_models().result.data] == ["market/embed"]
    assert {endpoint.tag for endpoint in client.endpoints.list(author="market", slug="pair").data.endpoints} == {"openai", "deepinfra"}
    assert "deepinfra" in [endpoint.tag for endpoint in client.endpoints.list_zdr_endpoints().data]
    assert "OpenAI" in [provider.name for provider in client.providers.list().data]
    with pytest.raises(errors.NotFoundResponseError):
        client.endpoints.list(author="no", slug="such")


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
