"""Which deployment of the gateway stands for which recorded API."""

import re
import tomllib
from urllib.parse import unquote

from harness.gateway import ROOT

with open(ROOT / "catalog" / "providers.toml", "rb") as rows:
    PROVIDERS = tomllib.load(rows)
PROVIDERS |= {alias: row for row in list(PROVIDERS.values()) for alias in row.get("aliases", [])}

# Providers whose OpenAI-shaped chat has a row in the catalogue under another name than the corpus gives it.
ROWS = {
    "alibaba": "dashscope", "together": "together_ai", "venice": "veniceai", "vercel-gateway": "vercel_ai_gateway",
    "openai-compatible": "custom_openai", "doubleword": "custom_openai", "writer": "custom_openai", "copilot": "custom_openai",
    "llamacpp": "custom_openai", "mistralrs": "custom_openai", "portkey": "custom_openai", "pydantic-gateway": "custom_openai",
    "chatgpt": "custom_openai", "crusoe": "custom_openai",
    # Their Claude speaks two dialects, and an Anthropic client would get the one that was not recorded.
    "snowflake": "custom_openai", "databricks": "custom_openai",
}
# Recorded chat APIs that the gateway does not speak, and why.
UNSPOKEN = {
    r"anthropic\.complete": "the legacy text completions API, withdrawn",
    r"bedrock\.invoke(-with-response-stream)?\..*": "InvokeModel; all Bedrock chat goes through Converse",
    r"cohere\.v1\..*": "Cohere's version 1, superseded",
    r"openai\.anthropic\.messages": "messages of a thread of OpenAI's assistants, no chat",
    r"ollama\.generate": "Ollama's completions; its chat is spoken",
    r"writer\.chat:text": "no JSON request was kept",
}
CREDENTIALS = {
    "bedrock": {"aws_access_key_id": "AKIAREPLAY", "aws_secret_access_key": "replay", "aws_region_name": "us-east-1"},
}


def unspoken(api):
    """Why the gateway does not speak that API; None where it does."""
    return next((why for pattern, why in UNSPOKEN.items() if re.fullmatch(pattern, api)), None)


def dialect(api):
    """The dialect of a recorded chat API, in the words of the catalogue."""
    if "anthropic.messages" in api:
        return "anthropic"
    if api.endswith("enerateContent"):
        return "gemini"
    if api.endswith("responses"):
        return "openai-responses"
    if api in ("bedrock.converse", "bedrock.converse-stream"):
        return "bedrock"
    return {"cohere.v2.chat": "cohere", "ollama.chat": "ollama"}.get(api, "openai-chat")


def model_of(row):
    """The upstream's name of the model a recorded exchange talked to."""
    body = row["request_body"] if isinstance(row["request_body"], dict) else {}
    neutral = row["neutral_request"] if isinstance(row["neutral_request"], dict) else {}
    in_path = re.search(r"/(?:models|model|deployments)/([^/:?]+(?:%3A\d+)?)", row["url"])
    named = body.get("model") or (unquote(in_path.group(1)) if in_path else None) or neutral.get("model")
    return named or "model"


def upstream_model(row, client):
    """`provider/model` of the deployment for a recorded exchange, asked for in the dialect `client`.

    A provider that speaks the client's dialect too would be spoken to in that one, which is not the recorded one; another row of
    the same form stands for it then.
    """
    named = named_model(row)
    provider, model = named.split("/", 1)
    spoken = dialect(row["api"])
    if row["api"].startswith("openrouter.") and client == spoken:
        return f"openrouter/{model_of(row)}"  # a gateway itself: it gets what steers gateways
    if spoken == "openai-chat" != client and client in PROVIDERS.get(provider, {}).get("chat", []):
        return f"openai_like/{model}"
    return named


def named_model(row):
    api, model, spoken = row["api"], model_of(row), dialect(row["api"])
    if spoken == "openai-responses":
        return f"openai/responses/{model}"
    if api.startswith("vertex."):
        return f"vertex_ai/{model}"
    if spoken in ("anthropic", "gemini", "bedrock", "cohere", "ollama"):
        if spoken == "gemini":
            model = model.removeprefix("models/")
        return f"{spoken}/{model}"
    if api.endswith(".openai.chat"):
        return f"custom_openai/{model}"
    if api == "azure.inference.chat":
        return f"azure_ai/{model}"
    provider = row["provider"]
    return f"{ROWS.get(provider, provider)}/{model}"


def deployment(row, upstream, mark, client):
    """An entry of `model_list`, named `mark`, by which a client of that dialect reaches the recorded exchange `row` only."""
    model = upstream_model(row, client)
    params = {
        "model": model,
        "api_base": f"{upstream}/replay/{mark}",
        "api_key": "replay-key",
    }
    provider = model.split("/", 1)[0]
    if provider == "bedrock":
        params.pop("api_key")
        params |= CREDENTIALS["bedrock"]
    if provider == "vertex_ai":
        params |= {"vertex_project": "replay", "vertex_location": "us-central1"}
    return {"model_name": mark, "litellm_params": params}
