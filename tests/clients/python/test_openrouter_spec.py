"""The catalogue held against OpenRouter's own specification, where that lies beside the checkout."""

import json
import pathlib
import urllib.request

import pytest

SPEC = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "specs" / "openrouter.openapi.yaml"


@pytest.fixture(scope="module")
def spec():
    yaml = pytest.importorskip("yaml")
    if not SPEC.is_file():
        pytest.skip(f"there is no {SPEC}")
    return yaml.safe_load(SPEC.read_text())


@pytest.fixture(scope="module")
def ask(gateway, key):
    def ask(path):
        request = urllib.request.Request(f"{gateway.url}/api/v1{path}", headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    return ask


def problems(spec, path, document):
    """What an answer of that path breaks in the specification."""
    jsonschema = pytest.importorskip("jsonschema")
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012
    registry = Registry().with_resource("urn:openrouter", DRAFT202012.create_resource(spec))
    place = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
    schema = {"$ref": f"urn:openrouter#/paths/{place}/get/responses/200/content/application~1json/schema"}
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(document)]


def with_known_names(spec, endpoints):
    """Providers that OpenRouter does not have keep their own names, which its list cannot hold."""
    known = spec["components"]["schemas"]["ProviderName"]["enum"]
    return [one if one["provider_name"] in known else one | {"provider_name": known[0]} for one in endpoints]


@pytest.mark.parametrize("path", [
    "/models", "/models?output_modalities=all", "/models?sort=newest&limit=2", "/models/user", "/models/count", "/providers",
    "/embeddings/models", "/images/models",
])
def test_lists(spec, ask, path):
    assert problems(spec, path.split("?")[0], ask(path)) == []


def test_one_model(spec, ask):
    assert problems(spec, "/model/{author}/{slug}", ask("/model/market/pair")) == []


def test_endpoints(spec, ask):
    document = ask("/models/market/pair/endpoints")
    assert len(document["data"]["endpoints"]) == 2
    assert problems(spec, "/models/{author}/{slug}/endpoints", document) == []
    document = ask("/images/models/market/paint/endpoints")
    assert problems(spec, "/images/models/{author}/{slug}/endpoints", document) == []
    document = ask("/endpoints/zdr")
    document["data"] = with_known_names(spec, document["data"])
    assert problems(spec, "/endpoints/zdr", document) == []
