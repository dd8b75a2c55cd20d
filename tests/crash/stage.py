"""What the figures stand on: gateways of their own, clients, a provider, and a cable to the database."""

import asyncio
import json
import os
import pathlib
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.gateway import MASTER_KEY, binary

CENT = {"model_name": "cent", "litellm_params": {"model": "demo/echo", "input_cost_per_request": 0.01}}
INPUT_NANO, OUTPUT_NANO, PROMPT_TOKENS = 150, 600, 10


class Gateway:
    """A gateway on files of its own."""

    def __init__(self, folder, models, database=None, workers=2, port=0, more=None, variables=None, takeover=False, files=None, user=None):
        """`more` goes into the configuration, section by section; what it says on stdout is in `requests.log`; `files` is how many
        descriptors it may have, `user` whom it runs as."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        general = {"master_key": MASTER_KEY} | ({"database_url": database} if database else {})
        config = {"model_list": models, "general_settings": general, "switchboard": {"data_dir": str(self.folder / "data")}}
        for section, keys in (more or {}).items():
            config[section] = config.get(section, {}) | keys
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment["SWITCHBOARD_KEY_PEPPER"] = "0123456789abcdef0123456789abcdef"
        environment |= variables or {}
        log = open(self.folder / "requests.log", "ab")
        self.process = subprocess.Popen(
            [str(binary()), "serve", "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), *(["--takeover"] if takeover else [])],
            stdout=log, stderr=subprocess.PIPE, env=environment, cwd=self.folder, user=user,
            preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))))
        log.close()
        self.port, self.said = None, []
        for line in self.process.stderr:
            self.said.append(line.decode("utf-8", "replace"))
            found = re.search(r"listening on (?:http://)?[\d.]+:(\d+)", self.said[-1])
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise RuntimeError("the gateway did not start:\n" + "".join(self.said[-20:]))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr:
            self.said.append(line.decode("utf-8", "replace"))

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


async def ask(port, method, path, body=None, key=MASTER_KEY, gate=None, leave=None):
    """Status, headers and body; `gate` is waited for between connecting and asking, `leave` seconds later the client is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if gate:
            await gate()
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
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


class Line:
    """A connection that is kept, with one request on it at a time."""

    def __init__(self, port, key=MASTER_KEY):
        self.port, self.key, self.streams = port, key, None

    async def ask(self, method, path, body=None, key=None, headers=()):
        """Status and body; a connection that was closed meanwhile is opened again, once."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        head = [f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {key or self.key}", "content-type: application/json",
                f"content-length: {len(text)}", *(f"{name}: {value}" for name, value in headers), "", ""]
        for kept in (self.streams is not None, False):
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
            try:
                return await self._answer("\r\n".join(head).encode("utf-8", "surrogateescape") + text)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if not kept:
                    raise
            except BaseException:
                # Whoever gives up leaves an answer behind on this connection.
                self.close()
                raise

    async def _answer(self, request):
        reader, writer = self.streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        status = int(head.split(" ", 2)[1])
        length = re.search(r"\r\ncontent-length: (\d+)", head, re.I)
        if length:
            rest = await reader.readexactly(int(length.group(1)))
        elif re.search(r"\r\ntransfer-encoding: chunked", head, re.I):
            rest = b""
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                rest += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            rest = b"" if status in (204, 304) else await reader.read()
        if re.search(r"\r\nconnection: close", head, re.I):
            self.close()
        return status, rest

    def close(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None


def barrier(count):
    """Everybody waits until all have come."""
    event, come = asyncio.Event(), [0]

    async def wait():
        come[0] += 1
        if come[0] == count:
            event.set()
        await event.wait()

    return wait


class Found(list):
    """What is wrong."""

    def expect(self, holds, what):
        if not holds:
            self.append(what)


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


class Provider:
    """Answers slowly, and notes when it was asked and when it was left alone."""

    def __init__(self, pieces=40, pause=0.02, word="word "):
        self.pieces, self.pause, self.word = pieces, pause, word
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
            await asyncio.wait([gone], timeout=self.pause) if self.pause else await asyncio.sleep(0)
            if gone.done():
                return False
            self.sent[mark] = piece + 1
            if stream:
                self._event(writer, {"choices": [{"index": 0, "delta": {"content": self.word}, "finish_reason": None}]})
                await self._drained(writer, gone)
        if stream:
            self._event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self._event(writer, {"choices": [], "usage": usage})
            writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        else:
            answer = json.dumps({
                "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.word * self.pieces}}],
            }).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        return True

    @staticmethod
    async def _drained(writer, gone):
        """Until the gateway has taken it, or is gone."""
        if writer.transport.get_write_buffer_size() > 65536:
            drained = asyncio.ensure_future(writer.drain())
            await asyncio.wait([drained, gone], return_when=asyncio.FIRST_COMPLETED)
            drained.cancel()

    @staticmethod
    def _event(writer, said):
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"} | said
        event = b"data: %s\n\n" % json.dumps(said).encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))

    def model(self):
        params = {"model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{self.port}/v1", "api_key": "sk-provider"}
        return {"model_name": "m", "litellm_params": params}


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
        await self._between(reader, writer, there, back)

    async def _between(self, reader, writer, there, back):
        """Both ways, until both have ended."""
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


async def burst(ports, key, each):
    gate = barrier(len(ports) * each)
    calls = [ask(port, "POST", "/v1/chat/completions", chat("cent"), key, gate) for port in ports for _ in range(each)]
    answers = await asyncio.gather(*calls)
    statuses = [status for status, _headers, _text in answers]
    return {status: statuses.count(status) for status in set(statuses)}


def rows(gateway):
    database = sqlite3.connect(f"file:{gateway.folder / 'data' / 'switchboard.db'}?mode=ro", uri=True)
    found = database.execute("SELECT call, amount, estimated FROM ledger WHERE kind = 'settle'").fetchall()
    database.close()
    return found


class Load:
    """What came of requests at a steady rate: when each was due, how long it took, what it was answered."""

    def __init__(self):
        self.due, self.took, self.answers, self.hung = [], [], [], 0

    @property
    def statuses(self):
        return {status: self.answers.count(status) for status in sorted(set(self.answers))}

    def only(self, *allowed):
        return set(self.answers) <= set(allowed) and not self.hung

    def between(self, start, end):
        """How long those took that were due then."""
        return [took for due, took in zip(self.due, self.took) if start <= due < end]


async def steady(port, rate, seconds, keys=(MASTER_KEY,), model="cent", patience=10, load=None, words="hello"):
    """So many requests a second, due whether or not those before are answered. Times are of the monotonic clock."""
    load, lines, running = load or Load(), [], set()

    async def one(due, key):
        line = lines.pop() if lines else Line(port)
        try:
            status, _text = await asyncio.wait_for(line.ask("POST", "/v1/chat/completions", chat(model, words), key), patience)
        except asyncio.TimeoutError:
            load.hung += 1
            return
        except (ConnectionError, OSError, asyncio.IncompleteReadError):
            status = 0
        load.due.append(due)
        load.took.append(time.monotonic() - due)
        load.answers.append(status)
        lines.append(line)

    began = time.monotonic()
    for at in range(int(rate * seconds)):
        due = began + at / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(one(due, keys[at % len(keys)]))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for line in lines:
        line.close()
    return load
