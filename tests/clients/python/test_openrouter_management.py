"""OpenRouter's SDK against the management side of `/api/v1`: keys, workspaces, guardrails, keys of providers, sign-in, content."""

import base64
import hashlib
import json
import time
import urllib.request

import pytest
from openrouter import OpenRouter, errors


@pytest.fixture(scope="module")
def client(gateway, key):
    return OpenRouter(api_key=key, server_url=f"{gateway.url}/api/v1")


def bearer(gateway, key):
    return OpenRouter(api_key=key, server_url=f"{gateway.url}/api/v1")


def said(text):
    return [{"role": "user", "content": text}]


def eventually(ask):
    """What an answer is once it is there."""
    end = time.monotonic() + 20
    while True:
        try:
            return ask()
        except errors.OpenRouterError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def test_keys(gateway, client):
    made = client.api_keys.create(name="SDK", limit=5, limit_reset="daily", include_byok_in_limit=True)
    assert made.data.hash == hashlib.sha256(made.key.encode()).hexdigest()
    assert made.data.limit_remaining == 5 and made.data.include_byok_in_limit
    assert bearer(gateway, made.key).chat.send(model="demo/echo", messages=said("hi")).choices[0].message.content == "You said: hi"
    own = bearer(gateway, made.key).api_keys.get_current_key_metadata()
    assert own.data.limit == 5 and own.data.limit_reset == "daily" and not own.data.is_management_key
    assert own.data.effective_budget.scope == "key_limit"
    changed = client.api_keys.update(hash=made.data.hash, name="Other", disabled=True)
    assert changed.data.disabled and changed.data.name == "Other"
    with pytest.raises(errors.UnauthorizedResponseError):
        bearer(gateway, made.key).chat.send(model="demo/echo", messages=said("hi"))
    assert made.data.hash in [one.hash for one in client.api_keys.list(include_disabled="true").data]
    assert client.api_keys.delete(hash=made.data.hash)
    with pytest.raises(errors.NotFoundResponseError):
        client.api_keys.get(hash=made.data.hash)


def test_credits_and_generation(gateway, client):
    assert client.credits.get_credits().data.total_usage >= 0
    request = urllib.request.Request(
        f"{gateway.url}/api/v1/chat/completions", data=json.dumps({"model": "demo/echo", "messages": said("hi")}).encode(),
        headers={"authorization": f"Bearer {client.sdk_configuration.security.api_key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        name = answer.headers["x-litellm-call-id"]
    found = eventually(lambda: client.generations.get_generation(id=name))
    assert found.data.model == "demo/echo" and found.data.native_tokens_prompt > 0 and not found.data.is_byok


def test_presets(client):
    made = client.presets.create_presets_chat_completions(slug="sdk", model="demo/echo", messages=said("hi"), temperature=0.5)
    assert made.data.slug == "sdk"
    client.presets.create_presets_messages(slug="sdk", model="demo/echo", messages=said("hi"), max_tokens=5)
    client.presets.create_presets_responses(slug="sdk", model="demo/echo", input="hi")
    assert "sdk" in [one.slug for one in client.presets.list().result.data]
    assert client.presets.get(slug="sdk").data.slug == "sdk"
    assert len(client.presets.list_versions(slug="sdk").result.data) == 3
    assert client.presets.get_version(slug="sdk", version="1").data
    assert client.chat.send(model="@preset/sdk", messages=said("hi")).choices[0].message.content == "You said: hi"


def test_activity_and_feedback(client):
    answer = client.chat.send(model="market/pair", messages=said("hi"))
    told = eventually(lambda: client.generations.get_generation(id=answer.id)).data
    assert told.provider_name in ("OpenAI", "DeepInfra") and told.provider_responses[0].provider_name == told.provider_name
    assert client.generations.submit_feedback(generation_id=answer.id, category="formatting").data.SUCCESS
    assert client.analytics.get_user_activity(request={}).data is not None


def test_workspaces(client):
    made = client.workspaces.create(name="Lab", slug="lab-of-sdk", default_provider_sort="price").data
    assert client.workspaces.get(id="lab-of-sdk").data.id == made.id
    assert client.workspaces.update(id=made.id, description="Ours").data.description == "Ours"
    budget = client.workspaces.set_budget(workspace_ref=made.id, interval="monthly", limit_usd=10)
    assert budget.data.limit_usd == 10 and budget.data.reset_interval == "monthly"
    assert [one.limit_usd for one in client.workspaces.list_budgets(workspace_ref=made.id).data] == [10]
    assert client.workspaces.delete_budget(workspace_ref=made.id, interval="monthly")
    assert client.workspaces.list_members(id=made.id).result.data is not None
    assert made.id in [one.id for one in client.workspaces.list().result.data]
    assert client.organization.list_members().result.total_count >= 0
    assert client.workspaces.delete(id=made.id)


def test_guardrails(gateway, client):
    made = client.guardrails.create(name="SDK", allowed_models=["demo/echo"], limit_usd=1, reset_interval="daily").data
    key = client.api_keys.create(name="guarded")
    guarded = bearer(gateway, key.key)
    assert client.guardrails.bulk_assign_keys(id=made.id, key_hashes=[key.data.hash]).assigned_count == 1
    assert [one.key_hash for one in client.guardrails.list_guardrail_key_assignments(id=made.id).result.data] == [key.data.hash]
    guarded.chat.send(model="demo/echo", messages=said("hi"))
    with pytest.raises(errors.NotFoundResponseError):
        guarded.chat.send(model="market/pair", messages=said("hi"))
    assert guarded.api_keys.get_current_key_metadata().data.budgets[0].scope == "api_key"
    assert client.guardrails.update(id=made.id, limit_usd=None).data.limit_usd is None
    assert client.guardrails.bulk_unassign_keys(id=made.id, key_hashes=[key.data.hash]).unassigned_count == 1
    assert made.id in [one.id for one in client.guardrails.list().result.data]
    assert client.guardrails.delete(id=made.id)
    with pytest.raises(errors.NotFoundResponseError):
        client.guardrails.get(id=made.id)


def test_keys_of_providers(client, gateway, scripted):
    key = client.api_keys.create(name="brings its own")
    made = client.byok.create(provider="openai", key="sk-own-of-sdk-0123", allowed_api_key_hashes=[key.data.hash]).data
    assert made.label == "sk-...0123" and made.workspace_id
    bearer(gateway, key.key).chat.send(model="market/pair", messages=said("hi"), provider={"only": ["openai"]})
    assert client.byok.update(id=made.id, name="Named").data.name == "Named"
    assert made.id in [one.id for one in client.byok.list(provider="openai").result.data]
    assert client.byok.delete(id=made.id)


def test_sign_in(gateway, client):
    verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    code = client.o_auth.create_auth_code(callback_url="https://app.example/cb", code_challenge=challenge, code_challenge_method="S256", limit=1)
    traded = OpenRouter(server_url=f"{gateway.url}/api/v1").o_auth.exchange_auth_code_for_api_key(
        code=code.data.id, code_verifier=verifier, code_challenge_method="S256")
    assert bearer(gateway, traded.key).api_keys.get_current_key_metadata().data.limit == 1
    with pytest.raises(errors.ForbiddenResponseError):
        client.o_auth.exchange_auth_code_for_api_key(code=code.data.id, code_verifier=verifier)


def test_management_is_for_management_keys(gateway, client):
    plain = bearer(gateway, client.api_keys.create(name="plain").key)
    for ask in (plain.guardrails.list, plain.workspaces.list, plain.byok.list, plain.api_keys.list, plain.credits.get_credits):
        with pytest.raises(errors.OpenRouterError) as refused:
            ask()
        assert refused.value.status_code == 403


def test_metadata(gateway, key):
    def send(stream):
        body = {"model": "demo/echo", "messages": said("one two"), "stream": stream}
        request = urllib.request.Request(f"{gateway.url}/api/v1/chat/completions", data=json.dumps(body).encode(), headers={
            "authorization": f"Bearer {key}", "content-type": "application/json", "x-openrouter-metadata": "enabled"})
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
    whole = json.loads(send(False))["openrouter_metadata"]
    lines = [line[6:] for line in send(True).splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    streamed = json.loads(lines[-2])["openrouter_metadata"]
    for told in (whole, streamed):
        assert told["strategy"] == "direct" and told["attempt"] == 1 and told["attempts"][0]["status"] == 200
        assert [one["selected"] for one in told["endpoints"]["available"]] == [True]


def test_content(gateway, client, key):
    client.workspaces.update(id="default", is_observability_io_logging_enabled=True)
    try:
        made = client.api_keys.create(name="kept")
        body = {"model": "demo/echo", "messages": said("remember")}
        request = urllib.request.Request(f"{gateway.url}/api/v1/chat/completions", data=json.dumps(body).encode(), headers={
            "authorization": f"Bearer {made.key}", "content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            name = answer.headers["x-litellm-call-id"]
        kept = eventually(lambda: bearer(gateway, made.key).generations.list_generation_content(id=name))
        assert kept.data.output.completion == "You said: remember"
    finally:
        client.workspaces.update(id="default", is_observability_io_logging_enabled=False)
