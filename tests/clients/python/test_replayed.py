"""Every SDK against recorded answers of every kind of provider: texts, tool calls, reasoning, usage; whole and streamed."""

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from harness.gateway import Gateway

from clients import CLIENTS, Chat, Gemini, Messages, Responses
from expect import differences, expected
from plan import mark
from routes import deployment, dialect

UPSTREAMS = {
    "anthropic": ("anthropic.messages",),
    "gemini": ("gemini.generateContent", "gemini.streamGenerateContent"),
    "openai-chat": ("openrouter.chat", "deepseek.chat", "groq.chat", "mistral.chat"),
    "openai-responses": ("openai.responses",),
    "bedrock": ("bedrock.converse", "bedrock.converse-stream"),
    "cohere": ("cohere.v2.chat",),
    "ollama": ("ollama.chat",),
}
KINDS = ("text", "tools", "reasoning")
# What an answer may hold that only its own provider's clients know.
PECULIAR = {"builtin_tools", "web_search", "code_execution", "citations", "n>1", "logprobs", "error", "stream_error", "image_output",
            "audio_output", "mcp", "file_search", "web_fetch", "guardrail", "refusal", "content_filter"}
HELLO = "Hello"


def is_kind(row, kind):
    features = set(row["features"])
    wanted = {"text": not features & {"tool_calls", "reasoning"}, "tools": "tool_calls" in features and "reasoning" not in features,
              "reasoning": "reasoning" in features}
    return wanted[kind] and not features & PECULIAR


def pick(recorded, upstream, kind, stream):
    """The first recorded exchange of that kind, by id."""
    corpus, oracle = recorded
    for identifier in sorted(corpus):
        row = corpus[identifier]
        if row["api"] in UPSTREAMS[upstream] and bool(row["stream"]) == stream and row["status"] == 200 and is_kind(row, kind):
            wanted = expected(row, oracle.get(identifier))
            if wanted and wanted.finish in ("stop", "tool_calls") and (wanted.reasoning or kind != "reasoning") and len(row["response_body"]) < 80_000:
                return row, wanted
    raise LookupError(f"no recorded {'stream' if stream else 'answer'} of {upstream} with {kind}")


@pytest.fixture(scope="module")
def gateway(recorded, replay):
    """A deployment for every exchange that may be picked and every client."""
    corpus, _ = recorded
    apis = {api for apis in UPSTREAMS.values() for api in apis}
    rows = [row for row in corpus.values() if row["api"] in apis and row["status"] == 200]
    entries = [deployment(row, replay.url, mark(row, CLIENTS[client], ""), client) for row in rows for client in ASK]
    config = {"model_list": entries, "router_settings": {"num_retries": 0, "disable_cooldowns": True}, "litellm_settings": {"num_retries": 0}}
    with Gateway(config) as running:
        yield running


def ask_chat(gateway, key, model, stream):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    messages = [{"role": "user", "content": HELLO}]
    if not stream:
        return Chat.whole(client.chat.completions.create(model=model, messages=messages).to_json().encode())
    options = {"include_usage": True}
    with client.chat.completions.stream(model=model, messages=messages, stream_options=options) as events:
        events.until_done()
        return Chat.whole(events.get_final_completion().to_json().encode())


def ask_responses(gateway, key, model, stream):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    if not stream:
        return Responses.whole(client.responses.create(model=model, input=HELLO).to_json().encode())
    with client.responses.stream(model=model, input=HELLO) as events:
        events.until_done()
        return Responses.whole(events.get_final_response().to_json().encode())


def ask_messages(gateway, key, model, stream):
    client = anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0)
    asked = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": HELLO}]}
    if not stream:
        return Messages.whole(client.messages.create(**asked).to_json().encode())
    with client.messages.stream(**asked) as events:
        return Messages.whole(events.get_final_message().to_json().encode())


def ask_gemini(gateway, key, model, stream):
    options = types.HttpOptions(base_url=gateway.url, retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(api_key=key, http_options=options, vertexai=False)
    if not stream:
        answer = client.models.generate_content(model=model, contents=HELLO)
        return Gemini.whole(answer.model_dump_json(by_alias=True, exclude_none=True).encode())
    answer = Gemini.whole(b"{}")
    for chunk in client.models.generate_content_stream(model=model, contents=HELLO):
        Gemini.piece(answer, chunk.model_dump(mode="json", by_alias=True, exclude_none=True))
    return Gemini.finished(answer)


ASK = {"openai-chat": ask_chat, "openai-responses": ask_responses, "anthropic": ask_messages, "gemini": ask_gemini}


# Ollama speaks OpenAI's dialect too, and an OpenAI client gets that one.
PAIRS = [(client, upstream) for client in ASK for upstream in UPSTREAMS if (client, upstream) != ("openai-chat", "ollama")]
# Nobody has recorded one whose reasoning can be read.
UNRECORDED = {("gemini", "reasoning", "streamed"), ("openai-responses", "reasoning", "whole"), ("ollama", "reasoning", "streamed")}
CASES = [(client, upstream, kind, way) for client, upstream in PAIRS for kind in KINDS for way in ("whole", "streamed")
         if (upstream, kind, way) not in UNRECORDED]


@pytest.mark.parametrize(("client", "upstream", "kind", "way"), CASES)
def test_recorded(recorded, gateway, key, client, upstream, kind, way):
    stream = way == "streamed"
    row, wanted = pick(recorded, upstream, kind, stream)
    answer = ASK[client](gateway, key, mark(row, CLIENTS[client], ""), stream)
    if dialect(row["api"]) == client and client == "gemini":
        wanted.usage = {}  # the SDK's own form of them
    assert differences(wanted, answer) == [], row["id"]
