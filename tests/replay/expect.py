"""What an answer must say: the oracle's direct reading of the provider's recorded answer, in OpenAI's words."""

import json

from clients import CLIENTS, Answer, counts
from routes import dialect

FINISHES = {
    "stop": ("end_turn", "stop", "COMPLETE", "STOP", "completed", "complete", "stop_sequence", "STOP_SEQUENCE", "eos", "1"),
    "tool_calls": ("tool_use", "TOOL_CALL", "tool_calls"),
    "length": ("max_tokens", "MAX_TOKENS", "length", "max_output_tokens"),
    "content_filter": ("SAFETY", "content_filter", "refusal", "guardrail_intervened"),
}
UNIFIED = {raw: unified for unified, raws in FINISHES.items() for raw in raws}


def bedrock_usage(usage):
    parts = [usage.get(name) for name in ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")]
    total = None if parts[0] is None else sum(part or 0 for part in parts)
    return counts(input=total, output=usage.get("outputTokens"), cached=parts[1])


def cohere_usage(usage):
    tokens = usage.get("tokens") or {}
    return counts(input=tokens.get("input_tokens"), output=tokens.get("output_tokens"), cached=usage.get("cached_tokens"))


def ollama_usage(usage):
    return counts(input=usage.get("prompt_eval_count"), output=usage.get("eval_count"))


USAGES = {"bedrock": bedrock_usage, "cohere": cohere_usage, "ollama": ollama_usage}


def expected(row, oracle):
    """The answer a client must get; None where the oracle has no direct reading."""
    direct = oracle.get("direct") if oracle else None
    if not direct or not (direct["finish"] or direct["text"] or direct["tool_calls"]):
        return None  # not read, or read in vain
    spoken = dialect(row["api"])
    read_usage = USAGES.get(spoken) or CLIENTS[spoken].usage
    calls = [dict(call, arguments=as_text(call["arguments"])) for call in direct["tool_calls"]]
    finish = UNIFIED.get(str(direct["finish"]))
    if finish == "stop" and calls and spoken in ("gemini", "openai-responses", "ollama"):
        finish = "tool_calls"  # these have no finish of that name
    return Answer(direct["text"] or "", direct["reasoning"] or "", calls, finish, read_usage(direct["usage"] or {}))


def as_text(arguments):
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def parsed(arguments):
    try:
        return (json.loads(arguments) if arguments.strip() else None) or {}
    except ValueError:
        return arguments


def differences(wanted, got):
    """Where an answer differs from what was expected: (aspect, explanation)."""
    if got.error:
        return [("error", f"ended with an error: {json.dumps(got.error)[:200]}")]
    found = []
    if got.text != wanted.text:
        found.append(("text", f"wanted {excerpt(wanted.text)}, got {excerpt(got.text)}"))
    if wanted.reasoning and got.reasoning != wanted.reasoning:
        found.append(("reasoning", f"wanted {excerpt(wanted.reasoning)}, got {excerpt(got.reasoning)}"))
    calls = [[(call["name"], parsed(call["arguments"])) for call in answer.tool_calls] for answer in (wanted, got)]
    if calls[0] != calls[1] and calls[0] != [(name, unwrapped(arguments)) for name, arguments in calls[1]]:
        found.append(("tool calls", f"wanted {excerpt(calls[0])}, got {excerpt(calls[1])}"))
    if wanted.finish and got.finish != wanted.finish:
        found.append(("finish", f"wanted {wanted.finish}, got {got.finish}"))
    for name in ("input", "output", "cached", "reasoning"):
        told, heard = wanted.usage.get(name), got.usage.get(name)
        if told is not None and heard not in allowed(name, wanted.usage):
            found.append(("usage", f"{name}: wanted {told}, got {heard}"))
    return found


def unwrapped(arguments):
    """Arguments that are no JSON, where a format has room for JSON only."""
    return arguments["input"] if isinstance(arguments, dict) and list(arguments) == ["input"] else arguments


def allowed(name, usage):
    """The numbers that may stand for a provider's own."""
    told, reasoning, cached = usage[name], usage.get("reasoning", 0), usage.get("cached", 0)
    numbers = {told}
    if told == 0:
        numbers.add(None)
    if name == "output":
        # Some providers leave the reasoning out of the output; then it is more than the whole, or the total says so.
        numbers |= {told + reasoning, max(told, reasoning)}
    if name == "input":
        numbers.add(max(told, cached))  # a provider that tells more cached than it tells at all
    return numbers


def excerpt(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return repr(text if len(text) <= 160 else f"{text[:90]}…{text[-60:]} ({len(text)} long)")
