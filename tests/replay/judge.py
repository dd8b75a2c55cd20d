"""Whether an answer is right."""

import base64
import dataclasses
import json
import tomllib

import arrival
from clients import Broken
from expect import differences, expected
from routes import dialect

# Statuses the gateway gives in place of a provider's: what only one vendor knows becomes the nearest that every client knows.
ALIKE = {404: (404, 502), 529: (502, 503, 529), 413: (413, 400), 500: (500, 502), 501: (501, 500, 502)}
# What its own credentials or its own address book got wrong is not the caller's fault; the gateway says so in these words.
OWN_FAULTS, OWN_STATUSES = (b"refused the gateway's credential", b"upstream_model_not_found", b"upstream_quota"), (502, 503, 529)


def alike(outcome, status):
    """Whether an outcome's status stands for a provider's."""
    own = outcome.status in OWN_STATUSES and any(words in outcome.body for words in OWN_FAULTS)
    return own or outcome.status in ALIKE.get(status, (status,))


@dataclasses.dataclass
class Verdict:
    """What is wrong with an outcome: (aspect, explanation) each."""

    part: str
    row: dict
    client: str
    options: str
    faults: list


def load_exceptions(path):
    """Exchanges that may differ from what is expected, by id, with the reason: where the gateway is right and the reading it is
    compared with is not, and where the gateway falls short."""
    with open(path, "rb") as text:
        tables = tomllib.load(text)
    return tables.get("right", {}), tables.get("exceptions", {})


def judge(part, outcome, oracle):
    job = outcome.job
    try:
        faults = list(JUDGES[part](outcome, oracle.get(job.row["id"])))
    except Broken as broken:
        faults = [("format", f"{broken}; {outcome.body[-160:]!r}")]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        faults = [("format", f"{type(error).__name__}: {error}; {outcome.body[:200]!r}")]
    if part == "requests":
        return Verdict(part, job.source, job.client.dialect, f" to {dialect(job.row['api'])}", faults)
    return Verdict(part, job.row, job.client.dialect, f" with {job.options}" if job.options else "", faults)


def recorded_body(row):
    body = row["response_body"] or ""
    return base64.b64decode(body) if row["response_body_encoding"] == "base64" else body.encode("utf-8", "surrogatepass")


def same(outcome, oracle):
    """Of the client's own dialect: the request arrives as sent, the answer comes back to the byte."""
    job, row = outcome.job, outcome.job.row
    if len(outcome.arrived) != 1:
        yield "request", f"{len(outcome.arrived)} requests upstream; the answer is {outcome.status} {outcome.body[:300]!r}"
        return
    changed = arrival.differences(row, job.body, json.loads(outcome.arrived[0]))
    if changed:
        yield "request", f"these fields changed on the way: {changed}"
    if row["status"] >= 400:
        if outcome.body != recorded_body(row):
            yield from refusal(outcome)
        return
    if outcome.status != row["status"]:
        yield "status", f"{outcome.status} for {row['status']}: {outcome.body[:300]!r}"
        return
    wanted = recorded_body(row)
    if b"[DONE]" not in wanted and job.client.dialect == "openai-chat":
        outcome.body = outcome.body.removesuffix(b"data: [DONE]\n\n")  # every OpenAI client is promised that
    if outcome.body != wanted and without_usage(outcome.body, job) != without_usage(wanted, job):
        yield "bytes", first_difference(wanted, outcome.body)


def without_usage(body, job):
    """A stream without the frame that only tells the usage, which is hidden from a client that did not ask for it."""
    if not job.stream or job.client.dialect != "openai-chat" or (job.body.get("stream_options") or {}).get("include_usage"):
        return body
    frames = body.replace(b"\r\n", b"\n").split(b"\n\n")
    return [frame for frame in frames if not (b'"usage"' in frame and (b'"choices":[]' in frame or b'"choices": []' in frame))]


def first_difference(wanted, got):
    at = next((at for at, (a, b) in enumerate(zip(wanted, got)) if a != b), min(len(wanted), len(got)))
    around = slice(max(0, at - 40), at + 80)
    return f"from byte {at} of {len(wanted)}: wanted {wanted[around]!r}, got {got[around]!r} ({len(got)} long)"


def refusal(outcome):
    """A provider's error: the status fits, the body is an error of the client's format and keeps the provider's words."""
    row = outcome.job.row
    if not alike(outcome, row["status"]):
        yield "error status", f"{outcome.status} for {row['status']}: {outcome.body[:200]!r}"
    yield from error_body(outcome)


def error_body(outcome):
    document = json.loads(outcome.body)
    error = document.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        yield "error body", f"no `error.message`: {outcome.body[:200]!r}"
    elif outcome.job.client.dialect == "anthropic" and (document.get("type") != "error" or not error.get("type")):
        yield "error body", f"not Anthropic's form: {outcome.body[:200]!r}"


def translated(outcome, oracle):
    """Of another dialect: the answer says what the oracle reads in the recorded one."""
    job, row = outcome.job, outcome.job.row
    if len(outcome.arrived) != 1:
        yield "request", f"{len(outcome.arrived)} requests upstream; the answer is {outcome.status} {outcome.body[:300]!r}"
        return
    if row["status"] >= 400:
        yield from refusal(outcome)
        return
    wanted = expected(row, oracle)
    if outcome.status != 200:
        yield "status", f"{outcome.status} for {row['status']}: {outcome.body[:300]!r}"
        return
    answer = job.client.stream(outcome.body) if job.stream else job.client.whole(outcome.body)
    if wanted:
        yield from differences(wanted, answer)


def taken(outcome, oracle):
    """A foreign request: it reaches the upstream with every text in it, or is refused with the name of what cannot be sent."""
    job = outcome.job
    if outcome.status == 400 and b"cannot be sent to a provider" in outcome.body and not outcome.arrived:
        return
    if outcome.status == 404 and b"requirements: web_search" in outcome.body and not outcome.arrived:
        return  # a search is asked of models alone that can search
    if outcome.status != 200 or len(outcome.arrived) != 1:
        yield "request", f"{len(outcome.arrived)} requests upstream; the answer is {outcome.status} {outcome.body[:300]!r}"
        return
    there = "\n".join(strings(json.loads(outcome.arrived[0])))
    for text in said(job.body):
        if text.strip() and text.strip() not in there and not all(leaf in there for leaf in leaves(text)):
            yield "lost", f"this text did not arrive: {text[:100]!r}"
            return


def strings(value):
    """Every text within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def leaves(text):
    """The texts within a tool's result that is JSON and may be sent as such; itself where it is none."""
    try:
        return list(strings(json.loads(text)))
    except ValueError:
        return [text]


def said(body):
    """The texts of a request that a model is to read, whatever the client's format."""
    for message in [*listed(body.get("messages")), *listed(body.get("contents")), *listed(body.get("input"))]:
        content = message.get("content") or message.get("parts") or message.get("output")
        if isinstance(content, str):
            yield content
        for part in listed(content):
            if isinstance(part.get("text"), str) and part.get("type") in (None, "text", "input_text", "output_text") and not part.get("thought"):
                yield part["text"]
    if isinstance(body.get("input"), str):
        yield body["input"]


def listed(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def faulted(outcome, oracle):
    """Of a failing upstream: an error of the client's format, before or within the answer; never a silent end."""
    job, fault = outcome.job, outcome.job.options.split("=")[1]
    if outcome.status == 0:
        yield "fault", f"no answer at all: {outcome.body!r}"
        return
    if fault.isdigit():
        if not alike(outcome, int(fault)):
            yield "fault status", f"{outcome.status} for {fault}: {outcome.body[:200]!r}"
        yield from error_body(outcome)
        return
    if outcome.status >= 400:
        yield from error_body(outcome)
        return
    if outcome.cut:
        return
    if not job.stream:
        yield "fault", f"an answer in spite of {fault}: {outcome.body[:200]!r}"
        return
    if fault == "malformed" and job.client.dialect == dialect(job.row["api"]):
        return  # passed on as it came: the client sees what it would see without a gateway
    answer = job.client.stream(outcome.body)
    if not answer.error:
        yield "fault", f"the stream ends as if nothing had been: {outcome.body[-200:]!r}"


JUDGES = {"same": same, "across": translated, "formats": translated, "requests": taken, "variations": translated, "faults": faulted}
