"""Fixtures: the gateway under test and the upstreams behind it, started once and stopped by id."""

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "replay"), str(pathlib.Path(__file__).resolve().parent)]

from harness.gateway import MASTER_KEY, Gateway, Missing  # noqa: E402
from harness.scripted import Scripted  # noqa: E402
from harness.stage import configuration  # noqa: E402


@pytest.fixture(scope="session")
def scripted():
    upstream = Scripted()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="session")
def gateway(scripted):
    """The demo model, scripted deployments of each dialect, and one of each error."""
    with Gateway(configuration(scripted.url)) as running:
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


@pytest.fixture(scope="session")
def specification():
    """OpenRouter's; what asks for it is skipped where it is not."""
    from specification import Specification
    return Specification()
