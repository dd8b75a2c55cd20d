"""U7, U10, U12, U13: providers that close, mix up, blow up, and tenants who would have them ejected."""

import asyncio
import itertools
import json
import random
import re
import struct
import time
import zlib

from crash.clients import resident
from crash.stage import Found, Gateway, Line, asked, chat

USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


def answer(content):
    said = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]}
    return json.dumps(said).encode()


def bomb(gigabytes):
    """Gzip of so many GiB of spaces: blocks that stand for themselves, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b" ") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * (16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (gigabytes * 64)


def said_in(request):
    """The first words of a request, in whatever format."""
    turn = (request.get("messages") or request.get("contents"))[0]
    content = turn.get("content") or turn.get("parts")
    return content if isinstance(content, str) else content[0]["text"]


# What a client of each format asks a provider of that format for; Amazon's has no clients of its own.
FORMS = {
    "openai": lambda words, stream: ("/v1/chat/completions", chat("openai", words, stream=stream)),
    "anthropic": lambda words, stream: ("/v1/messages", chat("anthropic", words, stream=stream, max_tokens=9)),
    "gemini": lambda words, stream: (f"/v1beta/models/gemini:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}",
                                     {"contents": [{"role": "user", "parts": [{"text": words}]}]}),
    "bedrock": lambda words, stream: ("/v1/chat/completions", chat("bedrock", words, stream=stream)),
}


class Scripted:
    """Does what the last word of the first message says; closes connections that idle, where it is told so."""

    def __init__(self, closes=None):
        self.closes, self.opened, self.asked, self.answered, self.framed = closes, 0, 0, 0, False

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def model(self, name):
        params = {"model": "openai/m", "api_base": f"http://127.0.0.1:{self.port}/v1", "api_key": "k"}
        return {"model_name": name, "litellm_params": params}

    def forms(self):
        """A model of each format, by its name."""
        url = f"http://127.0.0.1:{self.port}"
        amazon = {"aws_bedrock_runtime_endpoint": url, "aws_access_key_id": "AKIAX", "aws_secret_access_key": "k", "aws_region_name": "us-east-1"}
        params = {
            "openai": {"model": "openai/m", "api_base": f"{url}/v1", "api_key": "k"},
            "anthropic": {"model": "anthropic/claude-haiku-4-5", "api_base": url, "api_key": "k"},
            "gemini": {"model": "gemini/gemini-2.5-flash", "api_base": url, "api_key": "k"},
            "bedrock": {"model": "bedrock/anthropic.claude-3-haiku-20240307-v1:0"} | amazon,
        }
        return [{"model_name": name, "litellm_params": params} for name, params in params.items()]

    async def _serve(self, reader, writer):
        self.opened += 1
        used = False
        try:
            while True:
                # A connection that was just opened does not idle.
                idle = random.uniform(*self.closes) if self.closes and used else None
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle)
                body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower()).group(1)))
                request = json.loads(body)
                said = said_in(request)
                self.framed = b"/converse" in head
                self.asked += 1
                await getattr(self, "_" + said.split()[0].replace("-", "_"), self._echo)(writer, said, request.get("stream"))
                self.answered, used = self.answered + 1, True
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError, OSError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    async def _echo(self, writer, said, stream):
        if stream:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for piece in [*said.split(), None]:
                delta = {"choices": [{"index": 0, "delta": {} if piece is None else {"content": piece}, "finish_reason": "stop" if piece is None else None}]}
                event = b"data: %s\n\n" % json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"} | delta).encode()
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await asyncio.sleep(random.uniform(0, 0.004))
            writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        else:
            await asyncio.sleep(random.uniform(0, 0.004))
            self._whole(writer, 200, answer(said))
        await writer.drain()

    @staticmethod
    def _whole(writer, status, body, more=""):
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)

    @staticmethod
    def _problem(code, message):
        return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}).encode()

    async def _refuse(self, writer, said, stream):
        self._whole(writer, 400, self._problem("invalid_value", "no"))
        await writer.drain()

    async def _too_long(self, writer, said, stream):
        self._whole(writer, 400, self._problem("context_length_exceeded", "This model's maximum context length is 5 tokens"))
        await writer.drain()

    async def _filtered(self, writer, said, stream):
        self._whole(writer, 400, self._problem("content_filter", "The response was filtered"))
        await writer.drain()

    async def _pour(self, writer, head, piece):
        """A head, then pieces for as long as anybody takes them, or for a GiB."""
        writer.write(head)
        for _ in range((1 << 30) // len(piece)):
            writer.write(piece)
            await writer.drain()
        raise ConnectionError

    async def _packed(self, writer, said, stream):
        body = bomb(10)
        self._whole(writer, 200, body, "content-encoding: gzip\r\n")
        await writer.drain()
        raise ConnectionError

    async def _giant(self, writer, said, stream):
        await self._pour(writer, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n\r\n", b" " * 65536)

    async def _unannounced(self, writer, said, stream):
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        await self._pour(writer, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n", piece)

    async def _line(self, writer, said, stream):
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        kind, begun = b"text/event-stream", b"data: "
        if self.framed:
            # A frame that says that it is a GiB, and proves that it says so.
            lengths = struct.pack(">II", 1 << 30, 0)
            kind, begun = b"application/vnd.amazon.eventstream", lengths + struct.pack(">I", zlib.crc32(lengths))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (kind, len(begun), begun)
        await self._pour(writer, head, piece)

    async def _headers(self, writer, said, stream):
        await self._pour(writer, b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"y" * 1000 + b"\r\n")


async def crowd(count, clients, work):
    """So many pieces of work by so many clients, each with a connection of its own."""
    left = iter(range(count))

    async def one(line):
        for at in left:
            await work(line, at)

    lines = [None] * clients
    await asyncio.gather(*(one(line) for line in lines))


async def u7(folder, count, timed):
    """A provider that closes connections after 1 to 50 ms without a request: no client ever sees it."""
    wrong, count, statuses = Found(), count or 100_000, {}
    provider = await Scripted(closes=(0.001, 0.05)).start()
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model("m")])
    lines = asyncio.Queue()
    for _ in range(16):
        lines.put_nowait(Line(gateway.port))

    async def ask(_line, at):
        line = lines.get_nowait()
        await asyncio.sleep(random.uniform(0, 0.05))
        status, text = await line.ask("POST", "/v1/chat/completions", chat("m", f"echo {at}"))
        statuses[status] = statuses.get(status, 0) + 1
        wrong.expect(status == 200, f"{at}: {status} {text[:200]}")
        lines.put_nowait(line)

    try:
        await crowd(count, 16, ask)
        print(f"  {count} requests: {statuses}, over {provider.opened} connections to the provider")
        wrong.expect(provider.opened > count / 20, "hardly any connection was closed")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def u10(folder, count, timed):
    """Each answer is that of its own request, while every tenth client leaves."""
    wrong, count, seen = Found(), count or 100_000, {"right": 0, "left": 0}
    provider = await Scripted().start()
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model("m")], more={"switchboard": {"coalesce_requests": True}})
    lines = asyncio.Queue()
    for _ in range(32):
        lines.put_nowait(Line(gateway.port))

    async def ask(_line, at):
        nonce, line = f"nonce-{at}-{random.getrandbits(64):x}", lines.get_nowait()
        stream, leaves = random.random() < 0.5, random.random() < 0.1
        asking = line.ask("POST", "/v1/chat/completions", chat("m", f"echo {nonce} {nonce}", stream=stream))
        try:
            status, text = await asyncio.wait_for(asking, random.uniform(0.001, 0.01) if leaves else 60)
            others = [one for one in re.findall(rb"nonce-\d+-[0-9a-f]+", text) if one.decode() != nonce]
            wrong.expect(status == 200 and nonce.encode() in text and not others, f"{nonce}: {status} {text[:300]}")
            seen["right"] += 1
        except asyncio.TimeoutError:
            wrong.expect(leaves, f"{nonce}: no answer")
            seen["left"] += 1
        lines.put_nowait(line)

    try:
        await crowd(count, 32, ask)
        print(f"  {count} requests: {seen['right']} answers with their own nonce, {seen['left']} clients left")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def u12(folder, _count, timed):
    """Answers that are too large in every way and every format: cut, answered by another model, and hardly any memory taken."""
    wrong = Found()
    provider = await Scripted().start()
    models = [*provider.forms(), {"model_name": "good", "litellm_params": {"model": "demo/echo"}}]
    # Each is asked, however often it has failed.
    settings = {"fallbacks": [{name: ["good"]} for name in FORMS], "num_retries": 0, "disable_cooldowns": True}
    gateway = await asyncio.to_thread(Gateway, folder, models, more={"router_settings": settings})
    try:
        for form in [*FORMS.values()] * 5:
            await Line(gateway.port).ask("POST", *form("echo x", False))
        for name, kind in itertools.product(FORMS, ("packed", "giant", "unannounced", "line", "headers")):
            for stream in (False, True):
                before, most, done, asked_before = resident(gateway), 0, asyncio.Event(), provider.asked

                async def watch():
                    nonlocal most
                    while not done.is_set():
                        most = max(most, resident(gateway))
                        await asyncio.sleep(0.005)

                watching = asyncio.ensure_future(watch())
                began = time.monotonic()
                status, text = await Line(gateway.port).ask("POST", *FORMS[name](kind, stream))
                done.set()
                await watching
                grew, shown = (most - before) / 1024, f"{name}, {kind}{', streamed' if stream else ''}"
                print(f"  {shown}: {status} after {time.monotonic() - began:.1f} s, {grew:+.0f} MiB")
                # The other model repeats what it is told.
                wrong.expect(status == 200 and kind.encode() in text and provider.asked == asked_before + 1, f"{shown}: {status} {text[:200]}")
                # A busy machine looks late, and sees what the tries before have left too.
                wrong.expect(grew <= (32 if timed else 44), f"{shown}: {grew:+.0f} MiB")
    finally:
        provider.server.close()
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def u13(folder, count, timed):
    """What one tenant's requests bring about ejects no model for another."""
    wrong, count, answers = Found(), count or 10_000, {}
    provider = await Scripted().start()
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model("m")])
    lines = asyncio.Queue()
    for _ in range(16):
        lines.put_nowait(Line(gateway.port))
    try:
        one, other = [(await asked(gateway.port, "POST", "/key/generate", {}))["key"] for _ in range(2)]

        async def ask(_line, at):
            line = lines.get_nowait()
            kind = ["refuse", "too-long", "filtered", "echo leaves"][at % 4]
            asking = line.ask("POST", "/v1/chat/completions", chat("m", kind, stream=at % 8 > 3), one)
            try:
                status, _text = await asyncio.wait_for(asking, random.uniform(0.001, 0.02) if "leaves" in kind else 60)
            except asyncio.TimeoutError:
                status = "left"
            answers[status] = answers.get(status, 0) + 1
            if at % 10 == 0:
                status, text = await line.ask("POST", "/v1/chat/completions", chat("m", "echo hello"), other)
                wrong.expect(status == 200, f"the other tenant is answered {status} {text[:200]}")
            lines.put_nowait(line)

        await crowd(count, 16, ask)
        print(f"  {count} requests of one tenant: {answers}; {count // 10} of the other")
        wrong.expect(not any("shut out" in line for line in gateway.said), "a deployment was shut out")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
