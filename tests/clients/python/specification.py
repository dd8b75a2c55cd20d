"""OpenRouter's own specification, where it lies beside the checkout: what an answer breaks in it, and which of it was looked at."""

import json
import pathlib
import re
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAME = "shared/specs/openrouter.openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


class Specification:
    """The specification, and every operation of it whose good answer was held against it."""

    def __init__(self):
        yaml = pytest.importorskip("yaml")
        self.jsonschema = pytest.importorskip("jsonschema")
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012
        file = next((parent / NAME for parent in ROOT.parents if (parent / NAME).is_file()), None)
        if file is None:
            pytest.skip(f"there is no {NAME} above {ROOT}")
        self.document = yaml.safe_load(file.read_text())
        self.registry = Registry().with_resource("urn:openrouter", DRAFT202012.create_resource(self.document))
        self.seen = set()

    def operations(self):
        return {(method, path) for path, item in self.document["paths"].items() for method in item if method in METHODS}

    def problems(self, method, path, status, document, kind="application/json"):
        """What an answer breaks."""
        if status < 300:
            self.seen.add((method, path))
        pieces = ["paths", path, method, "responses", str(status), "content", kind, "schema"]
        place = "/".join(piece.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D") for piece in pieces)
        validator = self.jsonschema.Draft202012Validator({"$ref": f"urn:openrouter#/{place}"}, registry=self.registry)
        return [f"{method} {path} {status}: {line}" for error in validator.iter_errors(document) for line in told(error)]


def told(error, depth=0):
    """What is wrong: of an answer that is none of several, how it fails to be the one that it is nearest to."""
    place = "/".join(map(str, error.absolute_path))
    if not error.context:
        return [f"{place}: {error.message[:300]}"]
    branches = {}
    for one in error.context:
        branches.setdefault(one.schema_path[0], []).append(one)

    def strays(errors):
        return any("type" in one.absolute_path and one.validator == "enum" for one in errors), len(errors)
    nearest = min(branches.values(), key=strays)
    return [line for one in nearest for line in told(one, depth + 1)]


def call(gateway, method, path, body=None, bearer=None, headers=None):
    """(status, headers, body) of a request under OpenRouter's base."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {}) | (headers or {})
    request = urllib.request.Request(f"{gateway.url}/api/v1{path}", data=data, method=method, headers=sent)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


def events(stream):
    """The events of a stream: (name, payload)."""
    for block in re.split(r"\r?\n\r?\n", stream.decode()):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields and fields["data"] != "[DONE]":
            yield fields.get("event"), json.loads(fields["data"])
