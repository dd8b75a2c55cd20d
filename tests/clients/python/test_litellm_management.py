"""LiteLLM's client of its proxy, which manages keys, users, teams, models, credentials and spend."""

import os
import time
import uuid

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import asks the internet

import pytest  # noqa: E402

pytest.importorskip("litellm", reason="LiteLLM's SDK is not installed in this environment")

from litellm.proxy.client import Client  # noqa: E402
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError  # noqa: E402
from litellm.proxy.client.users import UsersManagementClient  # noqa: E402

HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def admin(gateway, key):
    return Client(base_url=gateway.url, api_key=key)


def named(what):
    return f"{what}-{uuid.uuid4().hex[:8]}"


def test_a_key_from_its_making_to_its_end(gateway, admin):
    alias = named("key")
    made = admin.keys.generate(models=["demo/echo"], key_alias=alias, duration="1h")
    holder = Client(base_url=gateway.url, api_key=made["key"])
    assert holder.chat.completions(model="demo/echo", messages=HELLO)["choices"][0]["message"]["content"] == "You said: hello there"
    assert [row["id"] for row in holder.models.list()] == ["demo/echo"]
    assert admin.keys.info(key=made["key"])["info"]["key_alias"] == alias
    assert admin.keys.list(key_alias=alias, return_full_object=True)["keys"][0]["token"] == made["token"]
    admin.keys.update(key=made["key"], models=["openai-429"])
    assert [row["id"] for row in holder.models.list()] == ["openai-429"]
    assert admin.keys.delete(keys=[made["key"]])["deleted_keys"] == [made["key"]]
    with pytest.raises(UnauthorizedError):
        holder.models.list()


def test_streamed_chat(admin):
    chunks = list(admin.chat.completions_stream(model="demo/echo", messages=HELLO))
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == "You said: hello there"


def test_a_user_and_a_team(gateway, key, admin):
    users = UsersManagementClient(gateway.url, key)
    user, team = named("user"), named("team")
    made = users.create_user({"user_id": user, "user_email": f"{user}@example.com", "max_budget": 5})
    assert users.get_user(user)["user_info"]["max_budget"] == 5
    assert users.get_user_v2(user)["user_id"] == user
    admin.http.request("POST", "/team/new", json={"team_id": team, "members_with_roles": [{"role": "user", "user_id": user}]})
    assert team in [row["team_id"] for row in admin.teams.list()]
    assert team in [row["team_id"] for row in admin.teams.list_v2(user_id=user)["teams"]]
    assert isinstance(admin.teams.get_available(), list)
    assert user in [row["user_id"] for row in users.list_users({"user_ids": user})]
    assert Client(base_url=gateway.url, api_key=made["key"]).chat.completions(model="demo/echo", messages=HELLO)
    users.delete_user([user])
    with pytest.raises(NotFoundError):
        users.get_user(user)


def test_a_model_with_a_credential(admin, scripted):
    credential, name, model = named("credential"), named("model"), named("id")
    admin.credentials.create(credential, {"custom_llm_provider": "openai"}, {"api_key": "sk-upstream-0123456789"}, display_name="Upstream")
    shown = admin.credentials.get(credential)
    assert (shown["display_name"], shown["credential_values"]["api_key"]) == ("Upstream", "sk****89")
    admin.credentials.update_display_name(credential, "Renamed")
    assert {"credential_name": credential, "display_name": "Renamed"}.items() <= next(
        row for row in admin.credentials.list()["credentials"] if row["credential_name"] == credential).items()
    params = {"model": "openai/m", "api_base": f"{scripted.url}/ok/v1", "litellm_credential_name": credential}
    assert admin.models.new(name, params, {"id": model})["model_id"] == model
    assert admin.chat.completions(model=name, messages=HELLO)["choices"]
    assert admin.models.get(model_id=model)["litellm_params"]["litellm_credential_name"] == credential
    admin.models.update(model, params | {"rpm": 100}, {"id": model})
    assert admin.models.get(model_name=name)["litellm_params"]["rpm"] == 100
    assert name in [group["model_group"] for group in admin.model_groups.info()]
    admin.models.delete(model)
    with pytest.raises(NotFoundError):
        admin.models.get(model_id=model)
    admin.credentials.delete(credential)


def test_spend_is_found_by_the_answers_id(gateway, admin):
    name, model = named("priced"), named("id")
    params = {"model": "demo/echo", "input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
    admin.models.new(name, params, {"id": model})
    made = admin.keys.generate(models=[name])
    answer = Client(base_url=gateway.url, api_key=made["key"]).chat.completions(model=name, messages=HELLO)
    usage = answer["usage"]
    expected = usage["prompt_tokens"] * 0.001 + usage["completion_tokens"] * 0.002
    until = time.monotonic() + 20
    while not (rows := admin.http.request("GET", f"/spend/logs?request_id={answer['id']}")):
        assert time.monotonic() < until, "the line of the request is not there"
        time.sleep(0.1)
    assert (rows[0]["request_id"], rows[0]["api_key"], rows[0]["model_group"]) == (answer["id"], made["token"], name)
    assert rows[0]["spend"] == pytest.approx(expected)
    assert admin.keys.info(key=made["key"])["info"]["spend"] == pytest.approx(expected)
    admin.models.delete(model)


def test_a_setting_and_a_fallback(admin):
    before = admin.http.request("GET", "/router/settings")["current_values"]["num_retries"]
    assert "success" in admin.http.request("POST", "/config/update", json={"router_settings": {"num_retries": before + 1}})["message"]
    assert admin.http.request("GET", "/router/settings")["current_values"]["num_retries"] == before + 1
    admin.http.request("POST", "/config/update", json={"router_settings": {"num_retries": None}})
    rule = {"model": "openai-503", "fallback_models": ["demo/echo"], "fallback_type": "general"}
    admin.http.request("POST", "/fallback", json=rule)
    assert admin.chat.completions(model="openai-503", messages=HELLO)["choices"][0]["message"]["content"] == "You said: hello there"
    admin.http.request("DELETE", "/fallback/openai-503?fallback_type=general")


def test_what_clients_ask_beside(admin):
    assert "temperature" in admin.http.request("GET", "/utils/supported_openai_params?model=demo/echo")["supported_openai_params"]
    counted = admin.http.request("POST", "/utils/token_counter", json={"model": "demo/echo", "messages": HELLO})
    assert counted["total_tokens"] > 1 and counted["request_model"] == "demo/echo"
    estimate = {"model": "gpt-4o-mini", "input_tokens": 1000, "output_tokens": 500, "num_requests_per_day": 100}
    cost = admin.http.request("POST", "/cost/estimate", json=estimate)
    assert cost["cost_per_request"] == pytest.approx(cost["input_cost_per_request"] + cost["output_cost_per_request"])
    assert cost["daily_cost"] == pytest.approx(100 * cost["cost_per_request"]) and cost["input_cost_per_request"] > 0
    assert admin.http.request("GET", "/public/litellm_model_cost_map")["gpt-4o-mini"]["input_cost_per_token"] > 0
