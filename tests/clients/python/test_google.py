"""Google's SDK for Gemini: content, streams, tools, images, structured output, errors."""

import base64

import pydantic
import pytest
from google import genai
from google.genai import errors, types
from harness.scripted import PIXEL


@pytest.fixture(scope="module")
def client(gateway, key):
    return connect(gateway, key)


def connect(gateway, key):
    options = types.HttpOptions(base_url=gateway.url, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=key, http_options=options, vertexai=False)


def manual(**config):
    """A configuration in which the SDK does not call functions by itself."""
    return types.GenerateContentConfig(automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **config)


def test_content(client):
    answer = client.models.generate_content(model="demo/echo", contents="hello there", config=manual(system_instruction="Be brief."))
    assert answer.text == "You said: hello there"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (4, 4, 8)


def test_stream(client):
    chunks = list(client.models.generate_content_stream(model="demo/echo", contents="one two three"))
    assert "".join(chunk.text or "" for chunk in chunks) == "You said: one two three"
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count == 8


def test_tools_round_trip(client, weather):
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=weather)])
    first = client.models.generate_content(model="demo/echo", contents="Oslo", config=manual(tools=[tool]))
    call = first.function_calls[0]
    assert (call.name, call.args) == ("weather", {"city": "Oslo"})
    result = types.Part(function_response=types.FunctionResponse(id=call.id, name="weather", response={"result": "rain"}))
    history = [types.Content(role="user", parts=[types.Part(text="Oslo")]), first.candidates[0].content,
               types.Content(role="user", parts=[result])]
    second = client.models.generate_content(model="demo/echo", contents=history, config=manual(tools=[tool]))
    assert second.text.startswith("The tool said: ") and "rain" in second.text


def test_images(client, scripted):
    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    client.models.generate_content(model="scripted-anthropic", contents=["What is it?", image])
    block = scripted.asked[-1][2]["messages"][0]["content"][1]
    assert block == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


class Place(pydantic.BaseModel):
    city: str
    sunny: bool


def test_structured_output(client):
    config = manual(response_mime_type="application/json", response_schema=Place)
    answer = client.models.generate_content(model="demo/echo", contents="Oslo", config=config)
    assert answer.parsed == Place(city="Oslo", sunny=True)


def test_embeddings(client):
    answer = client.models.embed_content(model="demo/echo", contents="hello")
    assert len(answer.embeddings[0].values) == 8


def test_models(client):
    assert "models/demo/echo" in [model.name for model in client.models.list()]


def test_errors(gateway, client):
    stranger = connect(gateway, "sk-wrong")
    with pytest.raises(errors.ClientError) as caught:
        stranger.models.generate_content(model="demo/echo", contents="hi")
    assert caught.value.code in (400, 401)  # Google itself says 400 to a bad key
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="no-such-model", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(("status", "kind", "words"), [
    (400, errors.ClientError, "INVALID_ARGUMENT"), (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
    (500, errors.ServerError, None), (503, errors.ServerError, "UNAVAILABLE"),
])
def test_upstream_errors(client, provider, status, kind, words):
    with pytest.raises(kind) as caught:
        client.models.generate_content(model=f"{provider}-{status}", contents="hi")
    if words:
        assert caught.value.status == words
