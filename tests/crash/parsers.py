"""C10: what the gateway reads in a body is what every other reader of it reads, or the body is refused."""

import asyncio
import json
import random
import re
import shutil
import subprocess

from crash.stage import MASTER_KEY, Found, Gateway, Line, asked

KEYS = ["model", "max_tokens", "stream", "n", "temperature", "messages"]
FOLDED = str.maketrans({"\u017f": "s", "\u212a": "k"})
NODE = "const r=require('readline').createInterface({input:process.stdin});r.on('line',l=>{let m;try{m=JSON.parse(JSON.parse(l)).model}catch(e){m=null}console.log(JSON.stringify(m===undefined?null:m))})"


class Recorder:
    """A provider that keeps what it is asked."""

    async def start(self):
        self.bodies = []
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        answer = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "up-small",
                             "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                             "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]}).encode()
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.bodies.append(await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower()).group(1))))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        except asyncio.CancelledError:
            pass


def spelled(chance, key):
    """A key as some reader may take it for that one."""
    at = chance.randrange(len(key))
    return chance.choice([
        json.dumps(key), json.dumps(key), f'"{key[:at]}\\u{ord(key[at]):04x}{key[at + 1:]}"', f'"{key[:at]}\\u{ord(key[at]):04X}{key[at + 1:]}"',
        json.dumps(key.upper()), json.dumps(key.title()), json.dumps(key[:at] + key[at].upper() + key[at + 1:]),
        f'"{key.replace("s", chr(0x17f)).replace("k", chr(0x212a))}"', f'"{key}\\u0000"', f'"\\ufeff{key}"', f'" {key}"', f'"{key} "',
        f'"{key[:at]}\\/{key[at:]}"', f"'{key}'", key, f'"{key[:at]}\\x{ord(key[at]):02x}{key[at + 1:]}"', f'"{key[:at]}\\ud83d{key[at:]}"',
    ])


def generated(chance):
    """A body, and what may make two readers differ about it."""
    pairs = [('"model"', '"small"'), ('"messages"', '[{"role": "user", "content": "hi"}]'), ('"max_tokens"', "5")]
    values = ['"big"', '"small"', "null", "1", "5e0", "5.0", "1e400", "NaN", "0x5", "-1", "[]", "{}", '{"model": "big"}', '["big"]', "true", '"\\ud800"',
              '"big\\u0000"', '"small", "model": "big"', '"small"/*', "9223372036854775808", '"sm\\u0061ll"']
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        pairs.insert(chance.randrange(len(pairs) + 1), (spelled(chance, chance.choice(KEYS)), chance.choice(values)))
    if chance.random() < 0.2:
        del pairs[chance.randrange(len(pairs))]
    space = chance.choice(["", " ", "\n", "\t", "\r\n", "\f", "\u00a0", "/**/", "//\n"]) if chance.random() < 0.3 else ""
    text = "{" + f",{space}".join(f"{key}{space}:{space}{value}" for key, value in pairs) + chance.choice(["", "", "", ","]) + "}"
    text = chance.choice(["", "", "", "\ufeff", " "]) + text + chance.choice(["", "", "", "{}", " x", "\0"])
    raw = text.encode("utf-8", "surrogatepass")
    return raw if chance.random() < 0.95 else raw.replace(b"small", b"sm\xffll", 1)


def readings(raw):
    """Which model each reader sees: the last of a name, the first, and the last where case does not matter."""
    pairs = json.loads(raw, object_pairs_hook=lambda pairs: pairs, strict=False)
    named = [value for name, value in pairs if name == "model"]
    loosely = [value for name, value in pairs if isinstance(name, str) and name.translate(FOLDED).casefold() == "model"]
    return {"the last": named[-1:], "the first": named[:1], "without case": loosely[-1:]}


async def c10(folder, count, timed):
    wrong, count, chance = Found(), count or 2000, random.Random(10)
    provider = await Recorder().start()
    base = {"api_base": f"http://127.0.0.1:{provider.port}/v1", "api_key": "k"}
    models = [{"model_name": name, "litellm_params": base | {"model": f"openai/up-{name}"}} for name in ("small", "big")]
    gateway = await asyncio.to_thread(Gateway, folder, models)
    try:
        key = (await asked(gateway.port, "POST", "/key/generate", {"models": ["small"]}, MASTER_KEY))["key"]
        line, statuses, forwarded = Line(gateway.port), {}, []
        for _ in range(count):
            raw, before = generated(chance), len(provider.bodies)
            status, said = await line.ask("POST", "/v1/chat/completions", raw, key)
            statuses[status] = statuses.get(status, 0) + 1
            wrong.expect(status == 200 or 400 <= status < 500, f"{raw!r}: {status} {said[:200]}")
            wrong.expect(len(provider.bodies) - before == (status == 200), f"{raw!r}: {status}, but asked {len(provider.bodies) - before} times")
            forwarded += [(raw, body) for body in provider.bodies[before:]]
        for raw, body in forwarded:
            for reader, seen in readings(body).items():
                wrong.expect(seen == ["up-small"], f"{reader} reads {seen} in {body!r}, sent as {raw!r}")
        if node := shutil.which("node"):
            texts = "".join(json.dumps(body.decode("utf-8", "replace")) + "\n" for _raw, body in forwarded)
            read = subprocess.run([node, "-e", NODE], input=texts, capture_output=True, text=True, check=True).stdout.splitlines()
            for (raw, body), seen in zip(forwarded, read):
                wrong.expect(seen == '"up-small"', f"JavaScript reads {seen} in {body!r}, sent as {raw!r}")
        print(f"  {count} bodies: {statuses}; {len(forwarded)} forwarded, read by {3 + bool(node)} readers")
        wrong.expect(len(forwarded) > count / 50, "hardly any was forwarded")
    finally:
        provider.server.close()
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
