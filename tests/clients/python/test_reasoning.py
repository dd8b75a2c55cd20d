"""What a model sealed in the first turn goes back to it in the second, whatever format the client speaks in between."""

import json

import anthropic
import openai
import pytest
from harness.scripted import SIGNATURE

SEALING = ("scripted-anthropic", "scripted-gemini", "scripted-responses")
THOUGHT = "The tool will know."


def sealed(body):
    """Whether a request holds the seal, bare, as its vendor sent it."""
    return f'"{SIGNATURE}"' in json.dumps(body)


@pytest.mark.parametrize("model", SEALING)
def test_chat(gateway, key, scripted, weather, model):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    tools = [{"type": "function", "function": {"name": "weather", "parameters": weather}}]
    asked = [{"role": "user", "content": "Oslo?"}]
    message = client.chat.completions.create(model=model, messages=asked, tools=tools).choices[0].message
    assert message.reasoning_content == THOUGHT
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
    client.chat.completions.create(model=model, messages=[*asked, message.to_dict(), result], tools=tools)
    assert sealed(scripted.asked[-1][2]), scripted.asked[-1]
    for other in SEALING:
        if other != model:
            client.chat.completions.create(model=other, messages=[*asked, message.to_dict(), result], tools=tools)
            assert not SIGNATURE in json.dumps(scripted.asked[-1][2]), "only the vendor that sealed it may see it"


@pytest.mark.parametrize("model", SEALING)
def test_messages(gateway, key, scripted, weather, model):
    client = anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0)
    tools = [{"name": "weather", "input_schema": weather}]
    asked = {"role": "user", "content": "Oslo?"}
    first = client.messages.create(model=model, max_tokens=3000, messages=[asked], tools=tools, thinking={"type": "enabled", "budget_tokens": 1024})
    assert THOUGHT in [getattr(block, "thinking", None) for block in first.content]
    call = next(block for block in first.content if block.type == "tool_use")
    history = [asked, {"role": "assistant", "content": [block.to_dict() for block in first.content]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}]
    client.messages.create(model=model, max_tokens=3000, messages=history, tools=tools, thinking={"type": "enabled", "budget_tokens": 1024})
    assert sealed(scripted.asked[-1][2]), scripted.asked[-1]


@pytest.mark.parametrize("model", SEALING)
def test_responses(gateway, key, scripted, weather, model):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    tools = [{"type": "function", "name": "weather", "parameters": weather, "strict": False}]
    asked = {"role": "user", "content": "Oslo?"}
    include = ["reasoning.encrypted_content"]
    first = client.responses.create(model=model, input=[asked], tools=tools, include=include, store=False)
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    history = [asked, *[item.to_dict() for item in first.output], result]
    client.responses.create(model=model, input=history, tools=tools, include=include, store=False)
    assert sealed(scripted.asked[-1][2]), scripted.asked[-1]
