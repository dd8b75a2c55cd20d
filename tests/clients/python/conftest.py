"""Fixtures: the gateway under test and the upstreams behind it, started once and stopped by id."""

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "replay"), str(pathlib.Path(__file__).resolve().parent)]

from harness.gateway import MASTER_KEY, Gateway, Missing  # noqa: E402
from harness.scripted import Scripted  # noqa: E402

STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 503, 529)
PROVIDERS = ("openai", "anthropic", "gemini")


@pytest.fixture(scope="session")
def scripted():
    upstream = Scripted()
    yield upstream
    upstream.stop()


def deployment(name, model, base, **more):
    return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "upstream-key", **more}}


@pytest.fixture(scope="session")
def gateway(scripted):
    """The demo model, one scripted deployment of each dialect, and one of each error."""
    bases = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}
    models = [{"model_name": "demo/echo", "litellm_params": {"model": "demo/echo"}}]
    models += [deployment(f"scripted-{name}", f"{name}/m", f"{scripted.url}/ok{base}") for name, base in bases.items()]
    models.append(deployment("scripted-responses", "openai/responses/m", f"{scripted.url}/ok/v1"))
    models += [deployment(f"{name}-{status}", f"{name}/m", f"{scripted.url}/status-{status}{bases[name]}")
               for name in PROVIDERS for status in STATUSES]
    config = {
        "model_list": models,
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0},
    }
    with Gateway(config) as running:
        yield running


@pytest.fixture(scope="session")
def key():
    return MASTER_KEY


@pytest.fixture(scope="session")
def weather():
    """A tool, as a JSON schema."""
    return {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


@pytest.fixture(scope="session")
def recorded():
    """The recorded exchanges and their oracle, by id; what asks for them is skipped by name where they are not."""
    from harness.upstream import read_lines
    try:
        return read_lines("corpus.jsonl"), read_lines("oracle.jsonl")
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def replay(recorded):
    from harness.upstream import Upstream
    with Upstream() as upstream:
        yield upstream
