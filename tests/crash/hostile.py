"""X2, S2, C14: texts that would be statements, secrets on the disk, requests in circles."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import services
from crash.outages import postgres
from crash.stage import MASTER_KEY, Found, Gateway, Line, ask, asked, binary, chat

ECHO = {"model_name": "good", "litellm_params": {"model": "demo/echo"}}
STATEMENTS = [
    "{}", "{} OR 1=1", "{}; SELECT 1", "{}; DROP TABLE objects", "{} UNION SELECT document FROM objects", "{} UNION ALL SELECT NULL,NULL,NULL",
    "{} AND (SELECT COUNT(*) FROM objects) > 0", "{} AND pg_sleep(5)", "{}; SELECT pg_sleep(5)", "{}||(SELECT pg_sleep(5))", "{} ORDER BY 99",
    "{} LIMIT 1 OFFSET 0", "{} HAVING 1=1", "{} INTO OUTFILE 'x'", "{}; COPY objects TO PROGRAM 'id'", "{}; ATTACH DATABASE 'x' AS y",
    "{}; UPDATE objects SET document='x'", "{}; DELETE FROM ledger", "{} AND 1=CAST((SELECT version()) AS int)", "{} RETURNING *",
    "{} AND extractvalue(1,concat(0x7e,version()))", "{} WAITFOR DELAY '0:0:5'", "{}; SELECT randomblob(1000000000)", "{}*/1/*",
]
QUOTES = ["", "'", "\"", "')", "'))", "`", "\\'", "%'", "$$", "x' "]
ODD = ["'", "''", "'''", "\"", "\\", "\\\\", "%", "_", "%%", "$1", "?1", ":id", "@p", "\0{}", "{}\0", "\u02bc{}", "\uff07{}", "{}\u2019", "\ud83d{}".encode(
    "utf-8", "replace").decode(), "{}--", "{}#", "{}/*", "({{\"$ne\": null}}) {}", "{{{{7*7}}}}{}", "${{7*7}}{}", "{}\r\n; x", "{}\t", "\x1b{}", "{}\x7f",
    "0x{}", "1e999{}", "NULL {}", "true {}"]
HEADERS = ["authorization", "x-api-key", "x-litellm-api-key", "api-key", "x-goog-api-key", "cookie", "litellm-changed-by", "x-litellm-customer-id",
           "x-litellm-tags", "x-litellm-end-user-id", "x-request-id", "user-agent", "idempotency-key", "x-litellm-session-id", "http-referer"]
# Parameters that some route reads, beside those that the document names.
PARAMETERS = ["key", "hash", "user_id", "team_id", "organization_id", "project_id", "search", "sort_by", "sort_order", "key_alias", "user_ids", "role",
              "page", "page_size", "size", "limit", "offset", "start_date", "end_date", "api_key", "request_id", "filter", "tag", "tags", "model", "id",
              "status", "group_by", "customer_id", "end_user_id", "provider", "workspace_id", "startIndex", "count", "budget_id", "credential_name"]


def texts(count):
    """So many of them, each with a mark of its own."""
    made = [quote + (statement + " --").format(f"{{}}{quote}") if quote else statement for quote in QUOTES for statement in STATEMENTS] + ODD
    made = made[:: max(1, len(made) // count)][:count] if count < len(made) else made
    return [(f"zq{at}x", text.format(f"zq{at}x") if "{" in text else f"zq{at}x{text}") for at, text in enumerate(made)]


def requests(document, text):
    """Every documented operation with that text in every place for one; (method, path, body)."""
    coded = urllib.parse.quote(text.encode("utf-8", "surrogatepass"), safe="")
    for path, operations in document["paths"].items():
        # What calls a model, or waits for one, reads no database with it.
        if re.match(r"/(health|metrics|docs|openapi|logout|config/update|add/allowed_ip|delete/allowed_ip|global/spend/reset)", path):
            continue
        place = re.sub(r"\{[^}]*\}", lambda _: coded, path)
        for method, operation in operations.items():
            kinds = operation.get("requestBody", {}).get("content", {})
            if method == "get":
                names = sorted({one["name"] for one in operation.get("parameters", []) if one["in"] == "query"} | set(PARAMETERS))
                yield "GET", place + "?" + "&".join(f"{name}={coded}" for name in names), None
                if place != path:
                    yield "GET", place, None
            elif "application/json" in kinds:
                fields = kinds["application/json"]["schema"].get("properties", {})
                yield method.upper(), place, {name: filled(schema, text) for name, schema in fields.items()}
            elif not kinds:
                yield method.upper(), place, None


def filled(schema, text):
    """That text as a value of that schema, as far as it can be one."""
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return [filled(schema.get("items", {}), text)]
    if kind == "object" or "properties" in schema:
        return {name: filled(one, text) for name, one in schema.get("properties", {}).items()} or {text: text}
    return {"integer": 1, "number": 1, "boolean": False}.get(kind, text)


async def x2(folder, count, timed):
    wrong, count = Found(), count or 250
    with postgres("log_statement=all", "log_parameter_max_length=0", "log_parameter_max_length_on_error=0", "log_error_verbosity=terse") as server:
        if server is None:
            return wrong
        gateway = await asyncio.to_thread(Gateway, folder, [ECHO], server.address)
        try:
            document = await asked(gateway.port, "GET", "/openapi.json")
            plain, tried, slowest = {}, 0, (0.0, "")
            # What an ordinary word is answered in each place, to compare with.
            for at, (method, path, body) in enumerate(requests(document, "zqplainx")):
                plain[at] = (await Line(gateway.port).ask(method, path, body))[0]
            queue = asyncio.Queue()
            for mark in texts(count):
                queue.put_nowait(mark)

            async def work():
                nonlocal tried, slowest
                line = Line(gateway.port)
                while not queue.empty():
                    mark, text = queue.get_nowait()
                    for at, (method, path, body) in enumerate(requests(document, text)):
                        began = time.monotonic()
                        status, said = await line.ask(method, path, body)
                        slowest, tried = max(slowest, (time.monotonic() - began, f"{method} {path.split('?')[0]}")), tried + 1
                        # A text may be refused where a word is not (a name has rules); it may not succeed where a word does not.
                        same = status == plain[at] or status in (400, 404, 409, 413, 422, 429) or (status == 200 and plain[at] in (400, 409, 422))
                        wrong.expect(same and status != 500, f"{method} {path} {text!r}: {status}, a word {plain[at]}: {said[:200]}")
                    for name in HEADERS:
                        for value in (text, f"Bearer {text}", f"Bearer sk-{text}", f"token={text}"):
                            value = re.sub(r"[\r\n\0]", " ", value)
                            status, said = await line.ask("GET", "/key/info", headers=[(name, value)], key="sk-none" if name == "authorization" else None)
                            tried += 1
                            wrong.expect(status in (200, 400, 401, 404, 429), f"{name}: {value!r}: {status} {said[:200]}")
                line.close()

            await asyncio.gather(*(work() for _ in range(4)))
            left = await Line(gateway.port).ask("GET", "/key/list")
            wrong.expect(left[0] == 200, f"afterwards keys are listed with {left[0]}")
            log = (server.home / "log").read_text("utf-8", "replace")
            statements = log.count("execute ") + log.count("statement: ")
            seen = sorted({found for found in re.findall(r"zq\d+x", log)})
            print(f"  {count} texts in {tried} requests, {statements} statements logged, {len(seen)} of the texts in one; the slowest {slowest[0]:.2f} s: {slowest[1][:60]}")
            wrong.expect(statements > tried / 4, "the server logs no statements")
            wrong.expect(not seen, f"in the text of statements: {seen[:10]}")
            wrong.expect(slowest[0] < 4 or not timed, f"{slowest[1]} took {slowest[0]:.2f} s: did something sleep?")
        finally:
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


def bytes_below(folder):
    """Every file below it."""
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.read_bytes()


async def s2(folder, _count, timed):
    """Raw bytes of databases, logs and backups: nothing that opens anything, nothing that was asked."""
    wrong, kinds = Found(), {"sqlite": None}
    with postgres() as server:
        if server:
            kinds["postgresql"] = server.address
        for kind, address in kinds.items():
            place = pathlib.Path(folder) / kind
            provider = f"sk-provider-{kind}-7c1d93e2a5"
            params = {"model": "openai/m", "api_base": "http://127.0.0.1:9/v1", "api_key": provider}
            gateway = await asyncio.to_thread(Gateway, place, [ECHO, {"model_name": "far", "litellm_params": params}], address)
            prompt = f"prompt-{kind}-93b1c7"
            made = await asked(gateway.port, "POST", "/key/generate", {"key_alias": f"seen-{kind}"})
            again = await asked(gateway.port, "POST", "/key/regenerate", {"key": made["key"]})
            secrets = {"a virtual key": again["key"], "the key it was": made["key"], "a provider's key in the file": provider, "a prompt": prompt,
                       "a stored model's key": "sk-stored-51c0aa", "a credential": "sk-credential-77de", "a provider's key brought along": "sk-brought-0b9f",
                       "a password": "password-41dd09"}
            stored = params | {"api_key": secrets["a stored model's key"]}
            await asked(gateway.port, "POST", "/model/new", {"model_name": "stored", "litellm_params": stored})
            values = {"api_key": secrets["a credential"]}
            await asked(gateway.port, "POST", "/credentials", {"credential_name": "kept", "credential_values": values, "credential_info": {}})
            status, _headers, said = await ask(gateway.port, "POST", "/api/v1/byok", {"provider": "openai", "key": secrets["a provider's key brought along"]})
            wrong.expect(status in (200, 201), f"a provider's key was answered {status}: {said[:200]}")
            await asked(gateway.port, "POST", "/user/new", {"user_id": "u", "password": secrets["a password"]})
            for model in ("good", "far", "stored"):
                for stream in (False, True):
                    await ask(gateway.port, "POST", "/v1/chat/completions", chat(model, prompt, stream=stream), again["key"])
            await asyncio.sleep(1)
            looked = {"while it runs": list(bytes_below(place / "data"))}
            backup = [str(binary()), "backup", "--to", str(place / "backup"), "--logical", "--database-url", address or gateway.address]
            variables = os.environ | {"SWITCHBOARD_DATA_DIR": str(place / "data"), "SWITCHBOARD_KEY_PEPPER": "0123456789abcdef0123456789abcdef"}
            ran = subprocess.run(backup, capture_output=True, text=True, env=variables)
            wrong.expect(ran.returncode == 0, f"{kind}: no backup: {ran.stdout}{ran.stderr}")
            looked["in the backup"] = list(bytes_below(place / "backup"))
            if address:
                dump = subprocess.run([str(server.folder / "pg_dump"), "--inserts", address], capture_output=True)
                wrong.expect(dump.returncode == 0, f"no dump: {dump.stderr[:300]}")
                looked["in the dump"] = [(pathlib.Path("pg_dump"), dump.stdout)]
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
            if address:
                looked["in PostgreSQL's files"] = list(bytes_below(server.home / "db"))
            looked["after its end"] = [*bytes_below(place / "data"), (place / "requests.log", (place / "requests.log").read_bytes())]
            total = 0
            for when, files in looked.items():
                alias = f"seen-{kind}".encode()
                wrong.expect(when == "after its end" and address or any(alias in data for _path, data in files) or kind == "postgresql" and when == "while it runs",
                             f"{kind} {when}: not even the key's name is there")
                total += sum(len(data) for _path, data in files)
                for path, data in files:
                    for what, secret in secrets.items():
                        wrong.expect(secret.encode() not in data, f"{kind}: {what} {when}, in {path.name}")
            print(f"  {kind}: {sum(map(len, looked.values()))} files, {total // 1024} KiB, {len(secrets)} secrets")
    return wrong


def leading(name, model, port):
    params = {"model": f"openai/{model}", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": MASTER_KEY}
    return {"model_name": name, "litellm_params": params}


def calls(gateway):
    """The requests of models that a gateway has had."""
    lines = (gateway.folder / "requests.log").read_text().splitlines()
    return sum('"operation":"chat"' in line for line in lines)


async def c14(folder, _count, timed):
    """Circles: a gateway that leads to itself, by its name, by an alias, by a redirect; two that lead to each other."""
    wrong, folder, ports = Found(), pathlib.Path(folder), [services.free_port() for _ in range(4)]

    async def redirect(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:%d/v1/chat/completions\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % ports[0])
        await writer.drain()
        writer.close()

    redirecting = await asyncio.start_server(redirect, "127.0.0.1", ports[3])
    more = {"router_settings": {"model_group_alias": {"nick": "alias"}}}
    alone = [leading("direct", "direct", ports[0]), leading("alias", "nick", ports[0]), leading("redirect", "redirect", ports[3]), ECHO]
    gateways = [
        await asyncio.to_thread(Gateway, folder / "alone", alone, port=ports[0], more=more),
        await asyncio.to_thread(Gateway, folder / "one", [leading("ring", "ring", ports[2]), leading("chain", "good", ports[0])], port=ports[1]),
        await asyncio.to_thread(Gateway, folder / "two", [leading("ring", "ring", ports[1]), leading("chain", "chain", ports[1])], port=ports[2]),
    ]
    try:
        for gateway, model, expected in [(0, "direct", 508), (0, "nick", 508), (0, "redirect", 502), (1, "ring", 508), (2, "ring", 508)]:
            for stream in (False, True):
                before = sum(map(calls, gateways))
                status, _headers, text = await ask(gateways[gateway].port, "POST", "/v1/chat/completions", chat(model, stream=stream))
                await asyncio.sleep(0.5)
                went = sum(map(calls, gateways)) - before
                print(f"  {model}{', streamed' if stream else ''}: {status} after {went - 1} requests to gateways")
                wrong.expect(status == expected and (expected == 502 or b"request_loop" in text), f"{model}: {status} {text[:200]}")
                wrong.expect(0 < went <= 5, f"{model}: the gateways were asked {went - 1} times")
        # Two gateways and a provider are no circle, and nobody makes it one by saying so.
        for hops in ("", "3", "9999", ",".join(["0123456789abcdef0123456789abcdef"] * 15)):
            line = Line(gateways[2].port)
            status, text = await line.ask("POST", "/v1/chat/completions", chat("chain"), headers=[("x-switchboard-hops", hops)])
            wrong.expect(status == 200 or hops.count(",") > 10 and status == 508, f"{hops[:40]!r}: {status} {text[:200]}")
        status, _headers, text = await ask(gateways[2].port, "POST", "/v1/chat/completions", chat("chain"))
        wrong.expect(status == 200, f"the next one is answered {status} {text[:200]}")
    finally:
        redirecting.close()
        for gateway in gateways:
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "a gateway did not end with 0")
    return wrong
