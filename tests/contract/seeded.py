"""The management API on a gateway with something in it: every answer as the API document says.

Requests that are made up seldom make anything; so these are written down, and what they make is asked for in every list.
"""

import json
import re
import urllib.error
import urllib.request

import jsonschema_rs

MONTH = "start_date=2020-01-01&end_date=2099-01-01"
KEEPS_OUT = re.compile(r"/sso/|/login|/scim/v2/(Schemas|ResourceTypes|ServiceProviderConfig)|/cost_map|/config/|/logout|/health|/cache/(ping|redis)")


def steps(said):
    """Method, path as the document has it, query or part of the path, body. `said` holds what was answered before."""
    post, get = "POST", "GET"
    key = said.get(("POST", "/key/regenerate"), said.get(("POST", "/key/generate"), {})).get("key", "")
    model = said.get(("POST", "/model/new"), {}).get("model_id", "")
    return [
        (post, "/key/generate", "", {"max_budget": 1, "key_alias": "first", "metadata": {"a": 1}, "budget_duration": "1d"}),
        (post, "/user/new", "", {"user_id": "u1", "user_email": "a@example.com", "max_budget": 5}),
        (post, "/team/new", "", {"team_id": "t1", "team_alias": "T", "members_with_roles": [{"role": "admin", "user_id": "u1"}]}),
        (post, "/key/service-account/generate", "", {"team_id": "t1", "key_alias": "service"}),
        (post, "/key/update", "", {"key": key, "max_budget": 2}),
        (post, "/key/bulk_update", "", {"keys": [{"key": key, "max_budget": 3}]}),
        (post, "/key/block", "", {"key": key}),
        (post, "/key/unblock", "", {"key": key}),
        (post, "/key/regenerate", "", {"key": key}),
        (get, "/key/info", f"key={key}", None),
        (post, "/v2/key/info", "", {"keys": [key]}),
        (get, "/key/list", "return_full_object=true", None),
        (get, "/user/info", "user_id=u1", None),
        (get, "/v2/user/info", "user_id=u1", None),
        (post, "/user/update", "", {"user_id": "u1", "max_budget": 4}),
        (post, "/user/bulk_update", "", {"users": [{"user_id": "u1", "max_budget": 4}]}),
        (post, "/team/update", "", {"team_id": "t1", "max_budget": 5, "budget_duration": "30d"}),
        (post, "/team/member_add", "", {"team_id": "t1", "member": {"role": "user", "user_id": "u2"}}),
        (post, "/team/member_update", "", {"team_id": "t1", "user_id": "u2", "max_budget_in_team": 1}),
        (post, "/team/bulk_member_add", "", {"team_id": "t1", "members": [{"role": "user", "user_id": "u3"}]}),
        (post, "/team/model/add", "", {"team_id": "t1", "models": ["demo"]}),
        (get, "/team/info", "team_id=t1", None),
        (get, "/team/permissions_list", "team_id=t1", None),
        (post, "/team/permissions_update", "", {"team_id": "t1", "team_member_permissions": ["/key/generate"]}),
        (post, "/budget/new", "", {"budget_id": "b1", "max_budget": 5}),
        (post, "/budget/update", "", {"budget_id": "b1", "max_budget": 6}),
        (post, "/budget/info", "", {"budgets": ["b1"]}),
        (get, "/budget/settings", "budget_id=b1", None),
        (post, "/organization/new", "", {"organization_alias": "o", "organization_id": "o1"}),
        (get, "/organization/info", "organization_id=o1", None),
        (post, "/organization/member_add", "", {"organization_id": "o1", "member": {"role": "internal_user", "user_id": "u1"}}),
        ("PATCH", "/organization/member_update", "", {"organization_id": "o1", "user_id": "u1", "role": "org_admin"}),
        ("PATCH", "/organization/update", "", {"organization_id": "o1", "organization_alias": "oo"}),
        (post, "/customer/new", "", {"user_id": "c1", "max_budget": 1}),
        (get, "/customer/info", "end_user_id=c1", None),
        (post, "/customer/update", "", {"user_id": "c1", "alias": "x"}),
        (post, "/customer/block", "", {"user_ids": ["c1"]}),
        (post, "/customer/unblock", "", {"user_ids": ["c1"]}),
        (post, "/tag/new", "", {"name": "g1"}),
        (post, "/tag/info", "", {"names": ["g1"]}),
        (post, "/tag/update", "", {"name": "g1", "description": "x"}),
        (post, "/model/new", "", {"model_name": "m2", "litellm_params": {"model": "demo/echo"}}),
        (post, "/model/update", "", {"model_name": "m2", "litellm_params": {"model": "demo/echo"}, "model_info": {"id": model}}),
        (post, "/credentials", "", {"credential_name": "cr", "credential_values": {"api_key": "x"}, "credential_info": {}}),
        (post, "/v1/chat/completions", "", {"model": "demo", "messages": [{"role": "user", "content": "hello"}], "user": "c1"}),
    ]


def last(said):
    key = said.get(("POST", "/key/regenerate"), {}).get("key", "")
    return [
        ("POST", "/key/delete", "", {"keys": [key]}),
        ("POST", "/model/delete", "", {"id": said.get(("POST", "/model/new"), {}).get("model_id", "")}),
        ("POST", "/customer/delete", "", {"user_ids": ["c1"]}),
        ("POST", "/tag/delete", "", {"name": "g1"}),
        ("POST", "/budget/delete", "", {"id": "b1"}),
        ("POST", "/team/delete", "", {"team_ids": ["t1"]}),
        ("POST", "/user/delete", "", {"user_ids": ["u1"]}),
        ("DELETE", "/organization/delete", "", {"organization_ids": ["o1"]}),
    ]


def asked(gateway, key, method, path, query, body):
    url = f"{gateway.url}{path}{'?' if query else ''}{query}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"authorization": f"Bearer {key}", "content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            # A table for spreadsheets is no JSON, and the document says nothing of its rows.
            is_json = "json" in (answer.headers.get("content-type") or "json")
            return answer.status, json.loads(answer.read() or b"null") if is_json else None
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def schema_of(document, method, path):
    answers = document["paths"].get(path, {}).get(method.lower(), {}).get("responses", {})
    for status in ("200", "201"):
        schema = answers.get(status, {}).get("content", {}).get("application/json", {}).get("schema")
        if schema:
            return schema | {"components": document["components"]}
    return None


def check(gateway, key):
    """What is wrong, how many answers were looked at, and of how many the document says anything."""
    status, document = asked(gateway, key, "GET", "/openapi.json", "", None)
    wrong, said, looked, described = [], {}, 0, 0
    tags = ("Keys, people and money",)
    lists = [("GET", path, MONTH, None) for path, entry in document["paths"].items()
             if entry.get("get", {}).get("tags") and entry["get"]["tags"][0] in tags and "{" not in path and not KEEPS_OUT.search(path)]
    written = len(steps({}))
    for part in (lambda: [steps(said)[at] for at in range(written)], lambda: lists, lambda: last(said)):
        for at in range(len(part())):
            method, path, query, body = part()[at]
            status, answer = asked(gateway, key, method, path, query, body)
            if status >= 300:
                # A list may want to know more than when.
                if part()[at][3] is not None or status >= 500:
                    wrong.append(f"{method} {path}: {status} {str(answer)[:300]}")
                continue
            said[(method, path)] = answer if isinstance(answer, dict) else {}
            schema = schema_of(document, method, path)
            looked += 1
            if schema is None or schema.keys() == {"components"}:
                continue
            described += 1
            for error in list(jsonschema_rs.Draft202012Validator(schema).iter_errors(answer))[:3]:
                wrong.append(f"{method} {path}: {'/'.join(map(str, error.instance_path))}: {error.message[:300]}")
    return wrong, looked, described
