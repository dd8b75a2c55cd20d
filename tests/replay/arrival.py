"""Whether a request reached the upstream as its client wrote it, apart from the edits that are due."""

from routes import PROVIDERS, dialect, upstream_model


def due(row, sent):
    """The body that must arrive upstream for a body a client sent in the upstream's own dialect."""
    provider = upstream_model(row, dialect(row["api"])).split("/", 1)[0]
    edits = PROVIDERS.get(provider, {}).get("edits", {})
    body = {key: value for key, value in sent.items() if key != "model"}
    for old, new in edits.get("rename", {}).items():
        if old in body and new not in body:
            body[new] = body.pop(old)
    for key in edits.get("remove", []):
        body.pop(key, None)
    return body


def differences(row, sent, arrived):
    """Fields that differ between what must arrive and what did."""
    wanted = due(row, sent)
    got = {key: value for key, value in arrived.items() if key != "model"}
    if got.get("stream_options") != wanted.get("stream_options") and wanted.get("stream"):
        options = dict(wanted.get("stream_options") or {}, include_usage=True)
        if got.get("stream_options") == options:  # usage is always asked for, and hidden from a client that did not ask
            wanted["stream_options"] = options
    if upstream_model(row, dialect(row["api"])).startswith("vertex_ai/claude"):
        wanted["anthropic_version"] = "vertex-2023-10-16"
    return sorted(key for key in wanted.keys() | got.keys() if wanted.get(key, ...) != got.get(key, ...))
