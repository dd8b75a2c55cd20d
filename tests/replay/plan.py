"""What is sent: the parts of the run, each a list of jobs."""

import dataclasses

from clients import CLIENTS, Chat, Gemini, Messages, Responses
from routes import deployment, dialect, unspoken

VARIATIONS = ("chunk=awkward", "chunk=1", "crlf=1", "comments=1", "nodone=1", "gzip=1", "bom=1")
FAULTS = ("fault=cut", "fault=cutclean", "fault=reset", "fault=malformed", "fault=errorevent", "fault=empty", "fault=html",
          "fault=close", "fault=429", "fault=500", "fault=529", "fault=401", "fault=404", "fault=400", "fault=413")


@dataclasses.dataclass
class Job:
    """One request to the gateway."""

    row: dict
    client: type
    path: str
    body: dict
    stream: bool
    options: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    source: dict | None = None  # the exchange whose request this is, where it is not the one that answers

    @property
    def mark(self):
        """What stands in the upstream's path: the exchange, who asked for it, and how it is to be served."""
        return mark(self.row, self.client, self.options)


def mark(row, client, options):
    return f"{row['id']};from={client.dialect}" + (f";{options}" if options else "")


def configuration(jobs, upstream):
    """The gateway's configuration: a deployment for each exchange and way of answering."""
    entries = {job.mark: deployment(job.row, upstream, job.mark, job.client.dialect) for job in jobs}
    return {
        "model_list": list(entries.values()),
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0, "drop_params": True},
        # Recorded requests name hosts of the world; nothing here asks them.
        "switchboard": {"media": {"fetch": False}},
    }


def chats(rows):
    """The recorded chat exchanges that the gateway can have with that provider."""
    return [row for row in rows if row["neutral_request"] and not unspoken(row["api"]) and row["method"] == "POST"]


def neutral(row):
    request = row["neutral_request"]
    if request == "request_body":
        return row["request_body"]
    return dict(request, messages=[without_gaps(message) for message in request.get("messages") or []])


def without_gaps(message):
    """A message without the files that the neutral form has no words for."""
    content = message.get("content")
    if not isinstance(content, list) or {"type": "file", "file": {}} not in content:
        return message
    return dict(message, content=[part for part in content if part != {"type": "file", "file": {}}] or "…")


def written(row, client, options=""):
    """A job that asks for the exchange in a client's format."""
    name = mark(row, client, options)
    stream = bool(row["stream"])
    body = client.request(neutral(row), name, stream)
    return Job(row, client, client.path(name, stream), body, stream, options)


def recorded(source, row=None, options=""):
    """A job that sends the recorded request as it is, but for the model; `row` is who answers, if not its own provider."""
    row, client = row or source, CLIENTS[dialect(source["api"])]
    name = mark(row, client, options)
    stream = bool(row["stream"])
    body = dict(source["request_body"])
    if row is not source:
        # Wishes of providers that the exchange was recorded with: the one that answers here is another.
        for wish in ("provider", "models"):
            body.pop(wish, None)
    if client is not Gemini:
        body["model"] = name
    if stream and client is not Gemini:
        body["stream"] = True
    headers = {"anthropic-version": "2023-06-01"} if client is Messages else {}
    return Job(row, client, client.path(name, stream), body, stream, options, headers, source)


def same(rows):
    """Recorded requests to upstreams of the client's own dialect: bytes in, bytes out."""
    return [recorded(row) for row in chats(rows) if dialect(row["api"]) in CLIENTS and isinstance(row["request_body"], dict)
            and row["stream_format"] != "json-array"]


def across(rows):
    """Every exchange of another dialect than OpenAI's chat, asked for by an OpenAI client."""
    return [written(row, Chat) for row in chats(rows) if dialect(row["api"]) not in ("openai-chat", "ollama")]


def formats(rows):
    """A sample of every recorded API, asked for by clients of the other formats."""
    jobs, taken = [], {}
    for row in chats(rows):
        spoken = dialect(row["api"])
        for client in (Messages, Responses, Gemini):
            if client.dialect == spoken:
                continue
            key = (row["api"], client, bool(row["stream"]), "tool_calls" in row["features"], "reasoning" in row["features"])
            taken[key] = taken.get(key, 0) + 1
            if taken[key] <= (30 if spoken == "ollama" else 3):
                jobs.append(written(row, client))
    return jobs


def requests(rows):
    """Recorded requests of every client format, to upstreams of every other dialect: taken, or refused by name."""
    answers, jobs, taken = {}, [], {}
    for row in chats(rows):
        if row["status"] == 200 and not row["stream_format"] == "json-array" and "error" not in row["features"]:
            answers.setdefault((dialect(row["api"]), bool(row["stream"])), row)
    for source in chats(rows):
        client, stream = dialect(source["api"]), bool(source["stream"])
        if client not in CLIENTS or not isinstance(source["request_body"], dict) or source["status"] != 200:
            continue
        for (spoken, streamed), row in answers.items():
            key = (client, spoken, stream, *sorted(source["features"]))
            if (client, spoken) == ("openai-chat", "ollama"):
                continue  # Ollama speaks OpenAI's dialect too
            if spoken != client and streamed == stream and taken.setdefault(key, 0) < 2:
                taken[key] += 1
                jobs.append(recorded(source, row, f"n={source['id']}"))
    return jobs


def sample(rows, each):
    """Up to `each` streams of every dialect that have something to say, and as many whole answers."""
    taken, chosen = {}, []
    for row in chats(rows):
        key = (dialect(row["api"]), bool(row["stream"]), "tool_calls" in row["features"])
        if row["status"] == 200 and "finish:error" not in row["features"] and taken.get(key, 0) < each and 200 < len(row["response_body"] or "") < 60_000:
            taken[key] = taken.get(key, 0) + 1
            chosen.append(row)
    return chosen


def ways(row):
    """The client of the exchange's own dialect, where there is one, and one of another."""
    spoken = dialect(row["api"])
    return [Messages] if spoken == "ollama" else [CLIENTS.get(spoken, Chat), Chat if spoken != "openai-chat" else Messages]


def variations(rows):
    """A sample, with the upstream's bytes cut and decorated in every awkward way: nothing may change."""
    return [written(row, client, way) for row in sample(rows, 3) for way in VARIATIONS for client in dict.fromkeys(ways(row))
            if row["stream"] or way.startswith(("chunk", "gzip"))]


def faults(rows):
    """A sample, with the upstream failing in every way: an error must come out, and a fitting one."""
    return [written(row, client, fault) for row in sample(rows, 1) for fault in FAULTS for client in dict.fromkeys(ways(row))
            if row["stream"] or fault not in ("fault=errorevent",)]


PARTS = {"same": same, "across": across, "formats": formats, "requests": requests, "variations": variations, "faults": faults}
