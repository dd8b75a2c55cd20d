"""What the built gateway finds in requests: tests of its crates are built with more features of its libraries than it is."""

import json
import urllib.request

import pytest
from openrouter import OpenRouter, errors

SAID = {
    "credit_card": "my card is 4111 1111 1111 1111",
    "email": "write to joe@example.com, please",
    "iban": "IBAN DE89 3704 0044 0532 0130 00",
    "medical": "the patient has diabetes and takes insulin",
    "phone": "call me on +44 20 7946 0958",
    "secret": "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2,
    "ssn": "my SSN is 536-22-8741",
}
BODIES = {
    "chat": lambda text: {"messages": [{"role": "user", "content": text}]},
    "messages": lambda text: {"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    "responses": lambda text: {"input": text},
    "gemini": lambda text: {"contents": [{"role": "user", "parts": [{"text": text}]}]},
}


@pytest.fixture(scope="module")
def explain(gateway, key):
    def explain(body):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{gateway.url}/v1/route/explain", data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    return explain


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("kind", SAID)
def test_classes(explain, form, kind):
    assert explain(BODIES[form](SAID[kind]) | {"model": "demo/echo"})["classes"] == [kind]


@pytest.mark.parametrize(("tier", "text"), [
    ("simple", "What is the capital of Peru?"), ("standard", "Explain how a fridge works."), ("reasoning", "Prove that the square root of 2 is irrational."),
    ("complex", "Design a multi-tenant billing platform: data model, invoicing, proration, retries, audit and migration without downtime."),
])
def test_tiers(explain, tier, text):
    assert explain(BODIES["chat"](text) | {"model": "demo/echo"})["tier"] == tier


def test_a_turn_that_carries_on_is_as_hard_as_what_it_carries_on_with(explain):
    before = [{"role": "user", "content": "Prove that the square root of 2 is irrational."}, {"role": "assistant", "content": "Shall I?"}]
    assert explain({"model": "demo/echo", "messages": [*before, {"role": "user", "content": "yes"}]})["tier"] == "reasoning"
    assert explain({"model": "demo/echo", "messages": [*before, {"role": "user", "content": "no thanks"}]})["tier"] == "simple"


def test_automatic_models_chat(explain):
    for text in ("hi", "Prove that the square root of 2 is irrational."):
        assert explain(BODIES["chat"](text) | {"model": "auto"})["model"] not in ("market/hear", "market/speak", "market/embed", "market/rank")


def test_filters_of_guardrails(gateway, key):
    def at(key):
        return OpenRouter(api_key=key, server_url=f"{gateway.url}/api/v1")
    rail = at(key).guardrails.create(name="filters", content_filter_builtins=[{"slug": "email", "action": "block"}]).data
    guarded = at(key).api_keys.create(name="filtered")
    at(key).guardrails.bulk_assign_keys(id=rail.id, key_hashes=[guarded.data.hash])
    at(guarded.key).chat.send(model="demo/echo", messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(errors.OpenRouterError):
        at(guarded.key).chat.send(model="demo/echo", messages=[{"role": "user", "content": SAID["email"]}])
