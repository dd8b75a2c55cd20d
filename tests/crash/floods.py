"""C4, C7: bodies without measure, and floods of frames over HTTP/2: what they cost, and whether anybody else feels them."""

import asyncio
import collections
import struct
import time

from crash.clients import opened, p99, resident
from crash.resources import processor_of
from crash.stage import CENT, MASTER_KEY, Found, Gateway, Provider, chat, steady

GIANT = 1 << 30
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
# What `POST /v1/chat/completions` is, field by field.
METHOD, SCHEME = b"\x83", b"\x86"


async def giant(port, announced):
    """Sends a body of a GiB for as long as it is taken; what it was told, and how much was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    framing = f"content-length: {GIANT}" if announced else "transfer-encoding: chunked"
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER_KEY}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode())
    piece, sent = b" " * 65536, 0
    piece = piece if announced else b"10000\r\n" + piece + b"\r\n"
    told = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    try:
        while sent < GIANT and not told.done():
            writer.write(piece)
            sent += 65536
            drained = asyncio.ensure_future(writer.drain())
            # That it is closed is told where it is read.
            drained.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.wait([told, drained], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        line = await asyncio.wait_for(told, 20)
        return line.split(b" ")[1].decode(), sent
    except (ConnectionError, OSError, asyncio.IncompleteReadError):
        return "closed", sent
    finally:
        writer.transport.abort()


async def c4(folder, count, timed):
    """A hundred bodies of a GiB at once (`count`), half of them announced, where 40 MiB may be held of all: refused, at no more memory
    than that, and nobody else feels it."""
    wrong, count = Found(), count or 100
    gateway = await asyncio.to_thread(Gateway, folder, [CENT], more={"switchboard": {"limits": {"max_body_bytes_in_flight": 40 << 20}}})
    try:
        await steady(gateway.port, 100, 1)
        before, most = resident(gateway), 0
        sending = asyncio.gather(*(giant(gateway.port, at % 2 == 0) for at in range(count)))
        others = asyncio.ensure_future(steady(gateway.port, 50, 3, patience=30))
        while not (sending.done() and others.done()):
            most = max(most, resident(gateway))
            await asyncio.sleep(0.05)
        told, load = await sending, await others
        statuses, taken = collections.Counter(status for status, _sent in told), sum(sent for _status, sent in told)
        print(f"  {count} bodies: {dict(statuses)}, {taken >> 20} MiB sent of {count} GiB, {max(sent for _s, sent in told) >> 20} of one; "
              f"memory +{(most - before) >> 10} MiB; others {load.statuses}")
        wrong.expect(set(statuses) <= {"413", "503", "closed"}, f"answers: {dict(statuses)}")
        wrong.expect(statuses["closed"] <= count // 10, f"{statuses['closed']} were not told why")
        wrong.expect(most - before <= 64 << 10, f"memory grew by {(most - before) >> 10} MiB")
        wrong.expect(load.only(200), f"others are answered {load.statuses}, {load.hung} hung")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """A field that is written out, its length in as many bytes as it takes."""
    def text(raw):
        raw, length = raw.encode(), b""
        if len(raw) < 127:
            return bytes([len(raw)]) + raw
        rest = len(raw) - 127
        while rest >= 128:
            length, rest = length + bytes([rest % 128 | 128]), rest // 128
        return b"\x7f" + length + bytes([rest]) + raw
    return b"\x00" + text(name) + text(value)


def head(*more):
    return METHOD + SCHEME + field(":path", "/v1/chat/completions") + field(":authority", "h") + b"".join(field(*one) for one in more)


def resets(at):
    """A hundred requests, each of which is taken back at once."""
    streams = range(at * 200 + 1, at * 200 + 201, 2)
    return b"".join(frame(HEADERS, END_STREAM | END_HEADERS, one, head()) + frame(RST_STREAM, 0, one, struct.pack(">I", 8)) for one in streams)


FLOODS = {
    "rapid reset": (b"", resets),
    "continuation": (frame(HEADERS, 0, 1, head()), lambda _at: frame(CONTINUATION, 0, 1, field("a", "x" * 250)) * 40),
    "empty continuation": (frame(HEADERS, 0, 1, head()), lambda _at: frame(CONTINUATION, 0, 1) * 500),
    "ping": (b"", lambda _at: frame(PING, 0, 0, b"12345678") * 300),
    "settings": (b"", lambda _at: frame(SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64") * 300),
    "priority": (b"", lambda _at: frame(PRIORITY, 0, 1, b"\x00\x00\x00\x03\x07") * 300),
    "window": (b"", lambda _at: frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x01") * 300),
    "empty data": (frame(HEADERS, END_HEADERS, 1, head()), lambda _at: frame(DATA, 0, 1) * 500),
}


async def flooding(port, begun, more, until, closed):
    """Floods over one connection after the other, and reads whatever comes back."""
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PREFACE + frame(SETTINGS, 0, 0) + begun)
        reading = asyncio.ensure_future(swallow(reader))
        try:
            at = 0
            while time.monotonic() < until and not reading.done():
                writer.write(more(at))
                at += 1
                await asyncio.wait_for(writer.drain(), 5)
                await asyncio.sleep(0)
            closed["closed" if reading.done() else "open"] += 1
        except (ConnectionError, OSError):
            closed["closed"] += 1
        except asyncio.TimeoutError:
            closed["stuck"] += 1
        finally:
            reading.cancel()
            writer.transport.abort()


async def swallow(reader):
    try:
        while await reader.read(65536):
            pass
    except (ConnectionError, OSError):
        pass


async def starved(port, provider_model, streams):
    """Streams that are asked for and never may be sent: a window of nothing. Seconds until each connection was closed or gave up on them."""
    lines = await opened(port, streams)
    body = __import__("json").dumps(chat(provider_model, "mark-1-end", stream=True)).encode()
    block = head(("authorization", f"Bearer {MASTER_KEY}"), ("content-type", "application/json"))
    for _reader, writer in lines:
        ask = b"".join(frame(HEADERS, END_HEADERS, one, block) + frame(DATA, END_STREAM, one, body) for one in range(1, 21, 2))
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\x00\x00") + ask)
    return lines


async def c7(folder, count, timed):
    """Eight floods of four connections each, for three seconds (`count`), and windows of nothing: the cost ends with them, and others are
    served meanwhile."""
    wrong, seconds = Found(), count or 3
    provider = await Provider(pieces=4000, pause=0.0, word="word " * 20).start()
    gateway = await asyncio.to_thread(Gateway, folder, [CENT, provider.model()])
    try:
        calm = await steady(gateway.port, 100, 2)
        before = resident(gateway)
        for name, (begun, more) in FLOODS.items():
            closed, until = collections.Counter(), time.monotonic() + seconds
            floods = [flooding(gateway.port, begun, more, until, closed) for _ in range(4)]
            others, *_ = await asyncio.gather(steady(gateway.port, 100, seconds), *floods)
            await asyncio.sleep(0.5)
            spent, began = processor_of(gateway), time.monotonic()
            await asyncio.sleep(2)
            share, grown = (processor_of(gateway) - spent) / (time.monotonic() - began), (resident(gateway) - before) >> 10
            print(f"  {name}: connections {dict(closed)}; others {others.statuses}, p99 {p99(calm.took) * 1000:.0f} ms before, "
                  f"{p99(others.took) * 1000:.0f} ms meanwhile; then {share * 100:.0f} % of a core, memory {grown:+d} MiB", flush=True)
            wrong.expect(closed["closed"] > 0 and not closed["stuck"], f"{name}: {dict(closed)}")
            wrong.expect(others.only(200), f"{name}: others are answered {others.statuses}, {others.hung} hung")
            wrong.expect(share < 0.05, f"{name}: afterwards {share * 100:.0f} % of a core")
            wrong.expect(grown <= 32, f"{name}: memory {grown:+d} MiB")
            # This generator floods and asks on one core: only a gateway that stands still would be seen here.
            wrong.expect(not timed or p99(others.took) <= 1, f"{name}: others wait {p99(others.took):.2f} s")
        lines = await starved(gateway.port, "m", 50)
        others = await steady(gateway.port, 100, seconds)
        grown = (resident(gateway) - before) >> 10
        print(f"  500 streams without a window: others {others.statuses}, memory {grown:+d} MiB")
        wrong.expect(others.only(200), f"without a window: others are answered {others.statuses}")
        wrong.expect(grown <= 32 + 20, f"without a window: memory {grown:+d} MiB")
        for _reader, writer in lines:
            writer.transport.abort()
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
