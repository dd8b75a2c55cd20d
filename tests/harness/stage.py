#!/usr/bin/env python3
"""The stage most client tests play on: a gateway with the demo model, scripted deployments of each dialect and one of each error.

Run as a program, it starts that, prints one line of JSON, `{"gateway": URL, "upstream": URL, "key": …}`, and stops everything
when its standard input ends. What the upstream was asked last is at `GET {upstream}/asked`.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.gateway import MASTER_KEY, Gateway  # noqa: E402
from harness.scripted import Scripted  # noqa: E402

STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 503, 529)
BASES = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}


def deployment(name, model, base):
    return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "upstream-key"}}


def configuration(upstream):
    """The gateway's configuration, for a scripted upstream at that URL."""
    models = [{"model_name": "demo/echo", "litellm_params": {"model": "demo/echo"}}]
    models += [deployment(f"scripted-{name}", f"{name}/m", f"{upstream}/ok{base}") for name, base in BASES.items()]
    models.append(deployment("scripted-responses", "openai/responses/m", f"{upstream}/ok/v1"))
    models += [deployment(f"streamed-{name}", f"{name}/m", f"{upstream}/stream{base}") for name, base in BASES.items()]
    models.append(deployment("streamed-responses", "openai/responses/m", f"{upstream}/stream/v1"))
    models += [deployment(f"{name}-{status}", f"{name}/m", f"{upstream}/status-{status}{base}")
               for name, base in BASES.items() for status in STATUSES]
    # One model at two providers, to choose between: the second is cheaper and cannot follow a schema.
    models.append(deployment("market/pair", "openai/gpt-4o-mini", f"{upstream}/first/v1"))
    models.append(deployment("market/pair", "deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct", f"{upstream}/second/v1"))
    models.append(deployment("market/embed", "openai/text-embedding-3-small", f"{upstream}/ok/v1"))
    models.append(deployment("market/paint", "openai/gpt-image-1", f"{upstream}/ok/v1"))
    models.append(deployment("market/rank", "cohere/rerank-v3.5", f"{upstream}/ok"))
    models.append(deployment("market/speak", "openai/tts-1", f"{upstream}/ok/v1"))
    models.append(deployment("market/hear", "openai/gpt-4o-mini-transcribe", f"{upstream}/ok/v1"))
    return {
        "model_list": models,
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0},
    }


def main():
    upstream = Scripted()
    with Gateway(configuration(upstream.url)) as gateway:
        print(json.dumps({"gateway": gateway.url, "upstream": upstream.url, "key": MASTER_KEY}), flush=True)
        sys.stdin.read()
    upstream.stop()


if __name__ == "__main__":
    main()
