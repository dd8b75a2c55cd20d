#!/usr/bin/env python3
"""The figures of money over HTTP, each a command, on a gateway of its own.

    tests/crash/figures.py [m1] [m2] [m3] [m5] [m6] [m8] [m11] [m14] [m15] [d4] [d5] [--count N] [--untimed]

- m1: 1,000 requests of $0.01 at once on $1.00: exactly 100 are answered, the ledger has $1.00 (SQLite);
- m2: the same over four gateways on PostgreSQL (`TEST_DATABASE_URL`), 250 at each;
- m3, m6, m11, m14, m15: what stays behind (`neutral.py`);
- m5: SIGTERM while 200 streams are under way: every answer whole and in the ledger at its price, the gateway ends with 0;
- m8: 500 clients leave at random points: the provider is left within 250 ms (99 of 100), and each has a row in the ledger;
- d4: a gateway starts while its database is away, and manages keys within 5 s of its return; nobody is told that a key is wrong;
- d5: everything that is known of keys is forgotten under load, again and again: every call is answered, none refused.

Without a name all of them run. Ends with `N passed, N failed`.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]
from harness.gateway import MASTER_KEY, binary
import neutral

CENT = {"model_name": "cent", "litellm_params": {"model": "demo/echo", "input_cost_per_request": 0.01}}
INPUT_NANO, OUTPUT_NANO, PROMPT_TOKENS = 150, 600, 10


class Gateway:
    """A gateway on files of its own."""

    def __init__(self, folder, models, database=None, workers=2, wait=True):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        general = {"master_key": MASTER_KEY} | ({"database_url": database} if database else {})
        config = {"model_list": models, "general_settings": general, "switchboard": {"data_dir": str(self.folder / "data")}}
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment["SWITCHBOARD_KEY_PEPPER"] = "0123456789abcdef0123456789abcdef"
        self.process = subprocess.Popen(
            [str(binary()), "serve", "--config", str(path), "--host", "127.0.0.1", "--port", "0", "--workers", str(workers)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=self.folder)
        self.port, said = None, []
        for line in self.process.stderr:
            said.append(line.decode("utf-8", "replace"))
            found = re.search(r"listening on (?:http://)?[\d.]+:(\d+)", said[-1])
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise RuntimeError("the gateway did not start:\n" + "".join(said[-20:]))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    @property
    def address(self):
        return f"sqlite:{self.folder / 'data' / 'switchboard.db'}"

    def stop(self, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def verify(self, address=None):
        ran = subprocess.run([str(binary()), "verify", "--database-url", address or self.address], capture_output=True, text=True)
        return [] if ran.returncode == 0 else (ran.stdout + ran.stderr).strip().splitlines()


async def ask(port, method, path, body=None, key=MASTER_KEY, gate=None, leave=None, headers=None):
    """Status, headers and body; `gate` is waited for between connecting and asking, `leave` seconds later the client is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if gate:
            await gate()
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\nconnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items()) + "\r\n"
        writer.write(head.encode() + text)
        await writer.drain()
        if leave is not None:
            try:
                await asyncio.wait_for(reader.read(), leave)
            except asyncio.TimeoutError:
                pass
            writer.transport.abort()
            return None
        raw = await asyncio.wait_for(reader.read(), 120)
    finally:
        writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers = {name.lower(): value for name, value in headers.items()}
    if headers.get("transfer-encoding") == "chunked":
        whole, rest = rest, b""
        while whole:
            size, _, whole = whole.partition(b"\r\n")
            length = int(size or b"0", 16)
            rest, whole = rest + whole[:length], whole[length + 2:]
            if length == 0:
                break
    return int(lines[0].split(" ")[1]), headers, rest


async def asked(port, method, path, body=None, key=MASTER_KEY):
    status, _headers, text = await ask(port, method, path, body, key)
    if status != 200:
        raise RuntimeError(f"{method} {path}: {status} {text[:300]}")
    return json.loads(text)


def chat(model, words="hello", **more):
    return {"model": model, "messages": [{"role": "user", "content": words}]} | more


def barrier(count):
    """Everybody waits until all have come."""
    event, come = asyncio.Event(), [0]

    async def wait():
        come[0] += 1
        if come[0] == count:
            event.set()
        await event.wait()

    return wait


async def burst(ports, key, each):
    gate = barrier(len(ports) * each)
    calls = [ask(port, "POST", "/v1/chat/completions", chat("cent"), key, gate) for port in ports for _ in range(each)]
    answers = await asyncio.gather(*calls)
    statuses = [status for status, _headers, _text in answers]
    return {status: statuses.count(status) for status in set(statuses)}


class Found(list):
    """What is wrong."""

    def expect(self, holds, what):
        if not holds:
            self.append(what)


async def m1(folder, count, timed):
    wrong = Found()
    gateway = Gateway(folder, [CENT])
    try:
        made = await asked(gateway.port, "POST", "/key/generate", {"max_budget": 1.0})
        statuses = await burst([gateway.port], made["key"], count or 1000)
        spent = (await asked(gateway.port, "GET", "/key/info?key=" + made["key"]))["info"]["spend"]
        print(f"  answers {statuses}, spent {spent}")
        wrong.expect(statuses.get(200) == 100 and set(statuses) <= {200, 422}, f"answers: {statuses}")
        wrong.expect(spent == 1.0, f"spent {spent}")
    finally:
        wrong.expect(gateway.stop() == 0, "it did not end with 0")
    return wrong + gateway.verify()


def schema():
    """A schema of its own on the test database, and its address; none without one."""
    address = os.environ.get("TEST_DATABASE_URL")
    if not address:
        return None
    name = "f" + uuid.uuid4().hex[:12]
    folder = os.environ.get("TEST_POSTGRES_BIN")
    psql = pathlib.Path(folder) / "psql" if folder else "psql"
    subprocess.run([str(psql), address, "-qc", f"CREATE SCHEMA {name}"], check=True)
    return f"{address}{'&' if '?' in address else '?'}options=-c%20search_path%3D{name}"


async def m2(folder, count, timed):
    wrong, address = Found(), schema()
    if address is None:
        print("  skipped: TEST_DATABASE_URL is not set")
        return wrong
    gateways = [Gateway(pathlib.Path(folder) / str(at), [CENT], address, workers=1) for at in range(4)]
    try:
        made = await asked(gateways[0].port, "POST", "/key/generate", {"max_budget": 1.0})
        await asyncio.sleep(1)
        each = (count or 1000) // 4
        first = await burst([gateway.port for gateway in gateways], made["key"], each)
        admitted = first.get(200, 0)
        # What lies unused at one gateway goes back, and nobody is refused while there is some.
        deadline = time.monotonic() + 30
        while admitted < 100 and time.monotonic() < deadline:
            for gateway in gateways:
                status, _headers, _text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), made["key"])
                admitted += status == 200
            await asyncio.sleep(0.2)
        after = await burst([gateway.port for gateway in gateways], made["key"], 5)
        # Journals are carried to the ledger some moments later.
        deadline, seen = time.monotonic() + 10, []
        while seen != [1.0] * 4 and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            seen = [(await asked(gateway.port, "GET", "/key/info?key=" + made["key"]))["info"]["spend"] for gateway in gateways]
        print(f"  first {first}, admitted {admitted}, afterwards {after}, spent by each gateway's word {seen}")
        wrong.expect(first.get(200, 0) >= 95, "more than 5 % of the budget was stranded")
        wrong.expect(admitted == 100 and 200 not in after, f"admitted {admitted}, afterwards {after}")
        wrong.expect(seen == [1.0] * 4, f"spent by their word: {seen}")
    finally:
        for gateway in gateways:
            wrong.expect(gateway.stop() == 0, "a gateway did not end with 0")
    return wrong + gateways[0].verify(address)


class Provider:
    """Answers slowly, and notes when it was asked and when it was left alone."""

    def __init__(self, pieces=40, pause=0.02):
        self.pieces, self.pause = pieces, pause
        self.asked, self.left, self.sent = {}, {}, {}

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        mark = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
                body = await reader.readexactly(length)
                mark = re.search(rb"mark-(\d+)-end", body).group(1).decode()
                self.asked[mark] = time.monotonic()
                stream = json.loads(body).get("stream")
                gone = asyncio.ensure_future(reader.read(1))
                # That the gateway reset the connection is what is waited for.
                gone.add_done_callback(lambda task: task.cancelled() or task.exception())
                finished = await self._answer(writer, mark, stream, gone)
                if not finished:
                    self.left[mark] = time.monotonic()
                    return
                if gone.done():
                    return
                gone.cancel()
                try:
                    await gone
                except asyncio.CancelledError:
                    pass
                mark = None
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            if mark:
                self.left.setdefault(mark, time.monotonic())
        except asyncio.CancelledError:
            pass  # The figure is over, and with it this provider.
        finally:
            writer.close()

    async def _answer(self, writer, mark, stream, gone):
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": self.pieces, "total_tokens": PROMPT_TOKENS + self.pieces}
        if stream:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in range(self.pieces):
            await asyncio.wait([gone], timeout=self.pause)
            if gone.done():
                return False
            self.sent[mark] = piece + 1
            if stream:
                self._event(writer, {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]})
        if stream:
            self._event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self._event(writer, {"choices": [], "usage": usage})
            writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        else:
            answer = json.dumps({
                "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * self.pieces}}],
            }).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        return True

    @staticmethod
    def _event(writer, said):
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"} | said
        event = b"data: %s\n\n" % json.dumps(said).encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))

    def model(self):
        params = {"model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{self.port}/v1", "api_key": "sk-provider"}
        return {"model_name": "m", "litellm_params": params}


def rows(gateway):
    database = sqlite3.connect(f"file:{gateway.folder / 'data' / 'switchboard.db'}?mode=ro", uri=True)
    found = database.execute("SELECT call, amount, estimated FROM ledger WHERE kind = 'settle'").fetchall()
    database.close()
    return found


async def m5(folder, count, timed):
    wrong, provider = Found(), await Provider(pieces=60, pause=0.05).start()
    gateway, count = Gateway(folder, [provider.model()]), count or 200
    calls = [asyncio.ensure_future(ask(gateway.port, "POST", "/v1/chat/completions", chat("m", f"mark-{at}-end", stream=True)))
             for at in range(count)]
    while len(provider.asked) < count:
        await asyncio.sleep(0.02)
    gateway.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    began = time.monotonic()
    code = await asyncio.to_thread(gateway.process.wait, 60)
    whole = sum(1 for answer in answers if isinstance(answer, tuple) and answer[0] == 200 and b"[DONE]" in answer[2])
    found = rows(gateway)
    exact = PROMPT_TOKENS * INPUT_NANO + provider.pieces * OUTPUT_NANO
    print(f"  {whole} of {count} whole, {len(found)} rows, ended with {code} after {time.monotonic() - began:.2f} s")
    wrong.expect(whole == count, f"only {whole} of {count} answers are whole")
    wrong.expect(len(found) == count and all(row[1:] == (exact, 0) for row in found), f"{len(found)} rows, not all at {exact}")
    wrong.expect(code == 0, f"it ended with {code}")
    return wrong + gateway.verify()


async def m8(folder, count, timed):
    wrong, provider = Found(), await Provider().start()
    gateway, count, late = Gateway(folder, [provider.model()]), count or 500, {}

    async def client(at):
        await asyncio.sleep(random.uniform(0, count / 100))
        leave = random.choice([0.001, random.uniform(0.005, 0.1), random.uniform(0.1, 0.8), random.uniform(0.75, 0.9)])
        stream = random.random() < 0.7
        await ask(gateway.port, "POST", "/v1/chat/completions", chat("m", f"mark-{at}-end", stream=stream), leave=leave)
        late[str(at)] = time.monotonic()

    await asyncio.gather(*(client(at) for at in range(count)))
    await asyncio.sleep(1.5)
    waits = sorted(provider.left[mark] - late[mark] for mark in provider.left)
    p99 = waits[max(0, int(len(waits) * 0.99) - 1)] if waits else 0.0
    forgotten = [mark for mark in provider.asked if mark not in provider.left and provider.sent.get(mark, 0) < provider.pieces]
    wrong.expect(gateway.stop() == 0, "it did not end with 0")
    found = rows(gateway)
    print(f"  {count} clients left, the provider was asked {len(provider.asked)} times and left early {len(waits)} times, "
          f"99 of 100 within {p99 * 1000:.0f} ms; {len(found)} rows")
    wrong.expect(p99 <= 0.25 or not timed, f"the provider was left only after {p99:.3f} s")
    wrong.expect(not forgotten, f"{len(forgotten)} requests went on at the provider")
    wrong.expect(len(provider.asked) <= len(found) <= count, f"{len(found)} rows for {len(provider.asked)} requests")
    wrong.expect(all(amount > 0 for _call, amount, _estimated in found), "a row costs nothing")
    return wrong + gateway.verify()


class Cable:
    """Carries bytes to the database, once it is plugged in."""

    def __init__(self, host, port):
        self.target = (host, port)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    async def plug(self):
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _carry(self, reader, writer):
        try:
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    @staticmethod
    async def _pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            writer.close()


async def d4(folder, _count, timed):
    wrong, address = Found(), schema()
    if address is None:
        print("  skipped: TEST_DATABASE_URL is not set")
        return wrong
    parts = urllib.parse.urlsplit(address)
    cable = Cable(parts.hostname, parts.port or 5432)
    user = parts.netloc.rsplit("@", 1)[0] + "@" if "@" in parts.netloc else ""
    away = urllib.parse.urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{cable.port}"))
    gateway = await asyncio.to_thread(Gateway, folder, [CENT], away)
    try:
        statuses = set()
        for _ in range(20):
            for key in (MASTER_KEY, "sk-0123456789abcdef0123456789abcdef"):
                status, _headers, _text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), key)
                statuses.add((key == MASTER_KEY, status))
            await asyncio.sleep(0.05)
        made, _headers, _text = await ask(gateway.port, "POST", "/key/generate", {})
        await cable.plug()
        began, took = time.monotonic(), None
        while time.monotonic() - began < 20:
            status, _headers, text = await ask(gateway.port, "POST", "/key/generate", {"max_budget": 1})
            if status == 200:
                took = time.monotonic() - began
                break
            await asyncio.sleep(0.1)
        print(f"  while away: answers {sorted(statuses)}, making a key {made}; keys are made {took and round(took, 2)} s after its return")
        wrong.expect((True, 200) in statuses, "the master key was not served")
        wrong.expect(all(status != 401 for _mine, status in statuses) and made != 401, f"somebody was told 401: {statuses}, {made}")
        wrong.expect(made == 503, f"making a key was answered {made}")
        wrong.expect(took is not None and (took <= 5 or not timed), f"keys could be made only after {took} s")
        if took is not None:
            status, _headers, _text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), json.loads(text)["key"])
            wrong.expect(status == 200, f"the new key is answered {status}")
    finally:
        # The cable is carried by this loop.
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def d5(folder, count, timed):
    wrong = Found()
    gateway, count = Gateway(folder, [CENT]), count or 1000
    try:
        slots = asyncio.Semaphore(40)

        async def limited(work):
            async with slots:
                return await work

        made = await asyncio.gather(*(limited(asked(gateway.port, "POST", "/key/generate", {})) for _ in range(count)))
        keys = [one["key"] for one in made]
        stop = asyncio.Event()

        async def forget():
            rounds = 0
            while not stop.is_set():
                # What a budget says concerns everybody who may name it: all keys are forgotten.
                await asked(gateway.port, "POST", "/budget/new", {"max_budget": 1})
                rounds += 1
                await asyncio.sleep(0.2)
            return rounds

        forgetting = asyncio.ensure_future(forget())
        statuses, times = {}, []

        async def call(key):
            async with slots:
                began = time.monotonic()
                status, _headers, _text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), key)
                times.append(time.monotonic() - began)
                statuses[status] = statuses.get(status, 0) + 1

        await asyncio.gather(*(call(random.choice(keys)) for _ in range(count * 5)))
        stop.set()
        rounds = await forgetting
        times.sort()
        print(f"  {count} keys, forgotten {rounds} times during {count * 5} calls: {statuses}, p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms")
        wrong.expect(set(statuses) == {200}, f"answers: {statuses}")
    finally:
        wrong.expect(gateway.stop() == 0, "it did not end with 0")
    return wrong + gateway.verify()


def behind(figure):
    """The same figure with the tools of this file."""
    return lambda folder, count, timed: figure(sys.modules[__name__], folder, count, timed)


FIGURES = {"m1": m1, "m2": m2, "m5": m5, "m8": m8, "d4": d4, "d5": d5} | {name: behind(figure) for name, figure in neutral.FIGURES.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(FIGURES))
    parser.add_argument("--count", type=int)
    parser.add_argument("--untimed", action="store_true", help="tell how long things took, and do not judge it")
    chosen = parser.parse_args()
    unknown = set(chosen.figures) - set(FIGURES)
    if unknown:
        parser.error(f"there is no figure {', '.join(sorted(unknown))}")
    passed = failed = 0
    for name in chosen.figures or FIGURES:
        with tempfile.TemporaryDirectory(prefix="switchboard-figure-") as folder:
            print(name, flush=True)
            wrong = asyncio.run(FIGURES[name](folder, chosen.count, not chosen.untimed))
        for what in wrong[:10]:
            print(f"  WRONG: {what}", flush=True)
        failed, passed = failed + bool(wrong), passed + (not wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
