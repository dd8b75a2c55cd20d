"""LiteLLM's SDK as a client of the gateway, as people have it who come from LiteLLM's proxy."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import asks the internet

import pytest  # noqa: E402

litellm = pytest.importorskip("litellm", reason="LiteLLM's SDK is not installed in this environment")


def call(gateway, key, model, text="hello there", **more):
    return litellm.completion(model=f"litellm_proxy/{model}", api_base=gateway.url, api_key=key, num_retries=0,
                              messages=more.pop("messages", [{"role": "user", "content": text}]), **more)


def test_chat(gateway, key):
    answer = call(gateway, key, "demo/echo")
    assert answer.choices[0].message.content == "You said: hello there"
    assert answer.usage.total_tokens == 6


def test_stream(gateway, key):
    chunks = list(call(gateway, key, "demo/echo", "one two", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: one two"
    assert any(getattr(chunk, "usage", None) and chunk.usage.total_tokens == 6 for chunk in chunks)


def test_tools_round_trip(gateway, key, weather):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    message = call(gateway, key, "demo/echo", "Oslo", tools=tools).choices[0].message
    tool_call = message.tool_calls[0]
    assert tool_call.function.arguments == '{"city":"Oslo"}'
    history = [{"role": "user", "content": "Oslo"}, message.model_dump(), {"role": "tool", "tool_call_id": tool_call.id, "content": "rain"}]
    assert call(gateway, key, "demo/echo", messages=history, tools=tools).choices[0].message.content == "The tool said: rain"


def test_reasoning(gateway, key):
    message = call(gateway, key, "scripted-anthropic").choices[0].message
    assert message.reasoning_content == "The tool will know."


def test_embeddings(gateway, key):
    answer = litellm.embedding(model="litellm_proxy/demo/echo", api_base=gateway.url, api_key=key, input=["a"])
    assert len(answer.data[0]["embedding"]) == 8


@pytest.mark.parametrize(("model", "kind"), [
    ("no-such-model", "NotFoundError"), ("openai-429", "RateLimitError"), ("anthropic-400", "BadRequestError"), ("gemini-500", "BadGatewayError"),
])
def test_errors(gateway, key, model, kind):
    with pytest.raises(getattr(litellm, kind)):
        call(gateway, key, model)


def test_bad_key(gateway):
    with pytest.raises(litellm.AuthenticationError):
        call(gateway, "sk-wrong", "demo/echo")


@pytest.fixture(scope="module")
def proxy(gateway, key):
    """LiteLLM's client for the management of its proxy."""
    from litellm.proxy.client import Client
    return Client(base_url=gateway.url, api_key=key)


def test_client_models(proxy):
    listed = {model["id"]: model for model in proxy.models.list()}
    assert listed["market/pair"]["mode"] == "chat"
    told = {entry["model_info"]["id"]: entry for entry in proxy.models.info() if entry["model_name"] == "market/pair"}
    assert {entry["model_info"]["litellm_provider"] for entry in told.values()} == {"openai", "deepinfra"}
    assert all("api_key" not in entry["litellm_params"] for entry in told.values())


def test_client_model_groups(proxy):
    groups = {group["model_group"]: group for group in proxy.model_groups.info()}
    assert groups["market/pair"]["providers"] == ["deepinfra", "openai"]
    assert groups["market/pair"]["supports_function_calling"]


def test_client_health(gateway, key):
    from litellm.proxy.client.health import HealthManagementClient
    assert HealthManagementClient(base_url=gateway.url, api_key=key).get_readiness()["status"] == "healthy"
