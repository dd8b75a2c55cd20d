"""LangChain's chat models for OpenAI and Anthropic: chat, streams, tools, structured output, embeddings, errors."""

import anthropic
import openai
import pydantic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def openai_model(gateway, key, model="demo/echo", **more):
    return ChatOpenAI(base_url=f"{gateway.url}/v1", api_key=key, model=model, max_retries=0, stream_usage=True, **more)


def anthropic_model(gateway, key, model="demo/echo", **more):
    return ChatAnthropic(base_url=gateway.url, api_key=key, model=model, max_retries=0, max_tokens=100, **more)


@pytest.fixture(params=[openai_model, anthropic_model], ids=["openai", "anthropic"])
def connect(request, gateway, key):
    return lambda model="demo/echo", **more: request.param(gateway, more.pop("key", key), model, **more)


def text(message):
    return message.content if isinstance(message.content, str) else "".join(block.get("text", "") for block in message.content)


def test_chat(connect):
    message = connect().invoke("hello there")
    assert text(message) == "You said: hello there"
    assert message.usage_metadata["total_tokens"] == 6


def test_stream(connect):
    chunks = list(connect().stream("one two three"))
    assert "".join(text(chunk) for chunk in chunks) == "You said: one two three"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata["output_tokens"] == 5


def test_tools_round_trip(connect, weather):
    bound = connect().bind_tools([{"name": "weather", "description": "Tells the weather", "input_schema": weather}])
    asked = HumanMessage("Oslo")
    message = bound.invoke([asked])
    call = message.tool_calls[0]
    assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})
    assert text(bound.invoke([asked, message, ToolMessage("rain", tool_call_id=call["id"])])) == "The tool said: rain"


class Place(pydantic.BaseModel):
    """A place."""

    city: str
    sunny: bool


def test_structured_output(connect):
    assert connect().with_structured_output(Place).invoke("Oslo") == Place(city="Oslo", sunny=True)


def test_embeddings(gateway, key):
    embeddings = OpenAIEmbeddings(base_url=f"{gateway.url}/v1", api_key=key, model="demo/echo", check_embedding_ctx_length=False)
    assert len(embeddings.embed_query("hello")) == 8


@pytest.mark.parametrize(("model", "name"), [("no-such-model", "APIStatusError"), ("openai-429", "RateLimitError"), ("anthropic-429", "RateLimitError"),
                                             ("gemini-400", "BadRequestError"), ("openai-500", "InternalServerError")])
def test_errors(connect, model, name):
    with pytest.raises((getattr(openai, name), getattr(anthropic, name))):
        connect(model).invoke("hi")


def test_bad_key(connect):
    with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)):
        connect(key="sk-wrong").invoke("hi")
