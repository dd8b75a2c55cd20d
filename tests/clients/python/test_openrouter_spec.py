"""Answers under `/api/v1` held against OpenRouter's own specification, where that lies beside the checkout: every operation of it that is
served, whole and streamed, good and bad, and those that are not served against the list of them in docs/openrouter-compat.md."""

import json
import time
import urllib.request

import pytest
from specification import ROOT, call, events

CHAT, MESSAGES, RESPONSES = "/chat/completions", "/messages", "/responses"
BODIES = {
    CHAT: {"messages": [{"role": "user", "content": "Oslo?"}]},
    MESSAGES: {"messages": [{"role": "user", "content": "Oslo?"}], "max_tokens": 64},
    RESPONSES: {"input": "Oslo?"},
}
NAMES = ("openai", "anthropic", "gemini", "responses")
MODELS = ["demo/echo", "market/pair", *(f"{kind}-{name}" for kind in ("scripted", "streamed") for name in NAMES)]
# What those of the specification that are not served have in common, and what the page says of why.
UNSERVED = {
    ("get", "/analytics/meta"), ("post", "/analytics/query"),
    ("get", "/benchmarks"), ("get", "/classifications/task"),
    ("get", "/datasets/app-rankings"), ("get", "/datasets/rankings-daily"), ("get", "/datasets/session-cost"),
    ("get", "/files"), ("post", "/files"), ("get", "/files/{file_id}"), ("delete", "/files/{file_id}"), ("get", "/files/{file_id}/content"),
    ("get", "/observability/destinations"), ("post", "/observability/destinations"), ("get", "/observability/destinations/{id}"),
    ("patch", "/observability/destinations/{id}"), ("delete", "/observability/destinations/{id}"),
    ("get", "/scim/groups"), ("get", "/scim/group-mappings"), ("post", "/scim/group-mappings"), ("get", "/scim/group-mappings/{id}"),
    ("patch", "/scim/group-mappings/{id}"), ("delete", "/scim/group-mappings/{id}"),
    ("post", "/videos"), ("get", "/videos/{jobId}"), ("get", "/videos/{jobId}/content"), ("get", "/videos/models"),
}
# It never has a good answer, there either.
GONE = ("post", "/credits/coinbase")


@pytest.fixture(scope="module")
def ask(gateway, key, specification):
    def ask(method, path, template=None, body=None, status=200, bearer=key, headers=None):
        found, _, answer = call(gateway, method, path, body, bearer, headers)
        assert found == status, answer
        document = json.loads(answer)
        assert specification.problems(method.lower(), template or path.split("?")[0], status, document) == []
        return document
    return ask


def eventually(look):
    """What is found once it is there."""
    end = time.monotonic() + 20
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def with_tool(path, body):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    tool = {
        CHAT: {"type": "function", "function": {"name": "weather", "parameters": parameters}},
        MESSAGES: {"name": "weather", "input_schema": parameters},
        RESPONSES: {"type": "function", "name": "weather", "parameters": parameters, "strict": True},
    }
    return body | {"tools": [tool[path]]}


@pytest.mark.parametrize("tools", [False, True], ids=["plain", "tools"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", BODIES)
def test_answers(ask, path, model, tools):
    body = BODIES[path] | {"model": model}
    ask("POST", path, body=with_tool(path, body) if tools else body)
    told = ask("POST", path, body=body, headers={"x-openrouter-metadata": "enabled"})
    assert told["openrouter_metadata"]["requested"] == model


@pytest.mark.parametrize("metadata", [False, True], ids=["plain", "metadata"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", BODIES)
def test_streams(gateway, key, specification, path, model, metadata):
    body = with_tool(path, BODIES[path] | {"model": model, "stream": True})
    headers = {"x-openrouter-metadata": "enabled"} if metadata else {}
    status, answered, stream = call(gateway, "POST", path, body, key, headers)
    assert status == 200 and answered["content-type"].startswith("text/event-stream")
    found = list(events(stream))
    assert len(found) > 3
    for name, payload in found:
        event = {"event": name, "data": payload} if path == MESSAGES else {"data": payload}
        problems = specification.problems("post", path, 200, event, "text/event-stream")
        assert problems == [], payload
    assert (b"openrouter_metadata" in stream) == metadata


@pytest.mark.parametrize("path", BODIES)
def test_refusals(ask, path):
    body = BODIES[path]
    ask("POST", path, body=body | {"model": "demo/echo"}, status=401, bearer="sk-wrong")
    ask("POST", path, body=body | {"model": "demo/echo"}, status=401, bearer=None)
    ask("POST", path, body=body | {"model": "no/such"}, status=400)
    ask("POST", path, body=body | {"model": "market/pair", "provider": {"only": ["groq"]}}, status=404)
    ask("POST", path, body={"model": "demo/echo"}, status=400)
    # Anthropic's form has a status of its own for who has too much to do.
    for model, status in (("openai-429", 429), ("anthropic-400", 400), ("gemini-503", 529 if path == MESSAGES else 503)):
        ask("POST", path, body=body | {"model": model}, status=status)


def test_other_operations(ask, gateway, key, specification):
    ask("POST", "/embeddings", body={"model": "market/embed", "input": ["a", "b"]})
    ask("POST", "/embeddings", body={"model": "no/such", "input": "a"}, status=400)
    ask("POST", "/rerank", body={"model": "market/rank", "query": "q", "documents": ["a", "b"]})
    ask("POST", "/images", body={"model": "market/paint", "prompt": "a cat"})
    form = b"\r\n".join([
        b"--x", b'content-disposition: form-data; name="model"', b"", b"market/hear",
        b"--x", b'content-disposition: form-data; name="file"; filename="a.wav"', b"content-type: audio/wav", b"", b"RIFF", b"--x--", b""])
    ask("POST", "/audio/transcriptions", body=form, headers={"content-type": "multipart/form-data; boundary=x"})
    ask("POST", "/audio/transcriptions", body={"model": "market/hear", "input_audio": {"data": "UklGRg==", "format": "wav"}})
    status, headers, sound = call(gateway, "POST", "/audio/speech", {"model": "market/speak", "input": "hi", "voice": "alloy"}, key)
    assert status == 200 and headers["content-type"].startswith("audio/") and sound
    specification.seen.add(("post", "/audio/speech"))


@pytest.mark.parametrize("path", [
    "/models", "/models?output_modalities=all", "/models?sort=newest&limit=2", "/models/user", "/models/count", "/providers",
    "/embeddings/models", "/images/models",
])
def test_lists(ask, path):
    ask("GET", path)


def with_known_names(specification, endpoints):
    """Providers that OpenRouter does not have keep their own names, which its list cannot hold."""
    known = specification.document["components"]["schemas"]["ProviderName"]["enum"]
    return [one if one["provider_name"] in known else one | {"provider_name": known[0]} for one in endpoints]


def test_models_and_endpoints(ask, gateway, key, specification):
    ask("GET", "/model/market/pair", "/model/{author}/{slug}")
    document = ask("GET", "/models/market/pair/endpoints", "/models/{author}/{slug}/endpoints")
    assert len(document["data"]["endpoints"]) == 2
    ask("GET", "/images/models/market/paint/endpoints", "/images/models/{author}/{slug}/endpoints")
    ask("GET", "/models/no/such/endpoints", "/models/{author}/{slug}/endpoints", status=404)
    document = json.loads(call(gateway, "GET", "/endpoints/zdr", None, key)[2])
    document["data"] = with_known_names(specification, document["data"])
    assert specification.problems("get", "/endpoints/zdr", 200, document) == []


def test_keys_and_use(ask):
    made = ask("POST", "/keys", body={"name": "spec", "limit": 1}, status=201)
    name = made["data"]["hash"]
    ask("GET", "/keys")
    ask("GET", f"/keys/{name}", "/keys/{hash}")
    ask("PATCH", f"/keys/{name}", "/keys/{hash}", {"limit_reset": "weekly"})
    ask("GET", "/key", bearer=made["key"])
    ask("GET", "/credits")
    ask("GET", "/credits", status=403, bearer=made["key"])
    ask("POST", "/credits/coinbase", status=410)
    ask("GET", "/activity?group_by=workspace")
    ask("GET", "/organization/members")
    code = ask("POST", "/auth/keys/code", body={"callback_url": "https://app.example"})["data"]["id"]
    ask("POST", "/auth/keys", body={"code": code}, bearer=None)
    ask("POST", "/auth/keys", body={"code": code}, status=403, bearer=None)
    ask("DELETE", f"/keys/{name}", "/keys/{hash}")
    ask("GET", f"/keys/{name}", "/keys/{hash}", status=404)


def test_workspaces(ask, gateway, key):
    place = ask("POST", "/workspaces", body={"name": "Spec", "slug": "spec"}, status=201)["data"]["id"]
    ask("GET", "/workspaces")
    ask("GET", f"/workspaces/{place}", "/workspaces/{id}")
    ask("PATCH", f"/workspaces/{place}", "/workspaces/{id}", {"description": None})
    budget = "/workspaces/{id}/budgets/{interval}"
    ask("PUT", f"/workspaces/{place}/budgets/lifetime", budget, {"limit_usd": 3})
    ask("GET", f"/workspaces/{place}/budgets", "/workspaces/{id}/budgets")
    ask("GET", f"/workspaces/{place}/budgets/lifetime", budget)
    ask("DELETE", f"/workspaces/{place}/budgets/lifetime", budget)
    someone = "spec-member"
    made = json.dumps({"user_id": someone, "user_email": "spec@example.com", "auto_create_key": False}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    with urllib.request.urlopen(urllib.request.Request(f"{gateway.url}/user/new", data=made, headers=headers)) as answer:
        assert answer.status == 200
    ask("POST", f"/workspaces/{place}/members/add", "/workspaces/{id}/members/add", {"user_ids": [someone]})
    assert ask("GET", f"/workspaces/{place}/members", "/workspaces/{id}/members")["total_count"] == 2
    ask("POST", f"/workspaces/{place}/members/remove", "/workspaces/{id}/members/remove", {"user_ids": [someone]})
    ask("GET", "/workspaces/nowhere", "/workspaces/{id}", status=404)
    ask("DELETE", f"/workspaces/{place}", "/workspaces/{id}")


def test_guardrails(ask):
    held = ask("POST", "/keys", body={"name": "held"}, status=201)["data"]["hash"]
    members = [one["id"] for one in ask("GET", "/organization/members")["data"]]
    rail = ask("POST", "/guardrails", body={"name": "Spec", "content_filter_builtins": [{"slug": "email", "action": "flag"}]}, status=201)
    rail = rail["data"]["id"]
    ask("GET", "/guardrails")
    ask("GET", f"/guardrails/{rail}", "/guardrails/{id}")
    ask("PATCH", f"/guardrails/{rail}", "/guardrails/{id}", {"enforce_zdr": True})
    for kind, field, held in (("keys", "key_hashes", [held]), ("members", "member_user_ids", members[:1])):
        place = f"/guardrails/{{id}}/assignments/{kind}"
        ask("POST", place.replace("{id}", rail), place, {field: held})
        ask("GET", place.replace("{id}", rail), place)
        ask("GET", f"/guardrails/assignments/{kind}")
        ask("POST", f"/guardrails/{rail}/assignments/{kind}/remove", f"{place}/remove", {field: held})
    ask("POST", "/guardrails", body={}, status=400)
    ask("DELETE", f"/guardrails/{rail}", "/guardrails/{id}")


def test_keys_of_providers(ask):
    own = ask("POST", "/byok", body={"provider": "openai", "key": "sk-0123456789abc", "disabled": True}, status=201)["data"]["id"]
    ask("GET", "/byok")
    ask("GET", f"/byok/{own}", "/byok/{id}")
    ask("PATCH", f"/byok/{own}", "/byok/{id}", {"allowed_models": None})
    ask("DELETE", f"/byok/{own}", "/byok/{id}")


def test_presets_and_generations(ask, gateway, key, specification):
    for path, body in BODIES.items():
        ask("POST", f"/presets/spec{path}", f"/presets/{{slug}}{path}", body | {"model": "market/pair", "temperature": 0.5})
    ask("GET", "/presets")
    ask("GET", "/presets/spec", "/presets/{slug}")
    ask("GET", "/presets/spec/versions", "/presets/{slug}/versions")
    ask("GET", "/presets/spec/versions/1", "/presets/{slug}/versions/{version}")
    ask("GET", "/presets/none", "/presets/{slug}", status=404)
    ask("PATCH", "/workspaces/default", "/workspaces/{id}", {"is_observability_io_logging_enabled": True})
    kept = ask("POST", "/keys", body={"name": "kept"}, status=201)["key"]
    try:
        for path, body in BODIES.items():
            answered = ask("POST", path, body=body | {"model": "market/pair", "preset": "spec"}, bearer=kept)
            place = f"?id={answered['id']}"
            assert eventually(lambda: call(gateway, "GET", f"/generation{place}", None, kept)[0] == 200), answered["id"]
            told = ask("GET", f"/generation{place}", bearer=kept)["data"]
            assert told["provider_name"] in specification.document["components"]["schemas"]["ProviderName"]["enum"]
            assert eventually(lambda: call(gateway, "GET", f"/generation/content{place}", None, kept)[0] == 200)
            ask("GET", f"/generation/content{place}", bearer=kept)
    finally:
        ask("PATCH", "/workspaces/default", "/workspaces/{id}", {"is_observability_io_logging_enabled": False})
    ask("GET", "/generation?id=none", status=404)
    complaint = {"generation_id": answered["id"], "category": "formatting", "comment": "no lists"}
    ask("POST", "/generation/feedback", body=complaint)
    assert call(gateway, "POST", "/generation/feedback", complaint, kept)[0] == 403
    ask("POST", "/generation/feedback", body=complaint | {"category": "mood"}, status=400)


def test_what_is_not_served_is_said(gateway, key, specification):
    page = (ROOT / "docs" / "openrouter-compat.md").read_text()
    said = page.split("## Paths of the specification that are not served")[1].split("\n## ")[0]
    for method, path in sorted(UNSERVED):
        assert f"`{path}`" in said, f"{path} is not on the page"
        status, _, _ = call(gateway, method.upper(), path.replace("{", "").replace("}", ""), b"{}" if method != "get" else None, key)
        assert status in (404, 405), f"{method} {path} answers {status}"


def test_nothing_of_it_is_passed_over(request, specification):
    """Only where the whole file was run: it is the last test of it."""
    mine = [item for item in request.session.items if item.fspath == request.node.fspath]
    written = [name for name in globals() if name.startswith("test_")]
    if {item.originalname for item in mine} != set(written):
        pytest.skip("not all of this file is run")
    assert specification.operations() - specification.seen - UNSERVED - {GONE} == set()
    assert specification.seen & UNSERVED == set()
