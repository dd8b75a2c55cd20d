"""C1, C2, C3, C8: clients that are slow, greedy or merely there, in numbers."""

import asyncio
import re
import resource
import time

from crash.stage import CENT, Found, Gateway, Line, Provider, chat, rows, steady

LEAST_FREE = 1500


def descriptors(wanted):
    """As many sockets as there may be, up to that many; so many connections that leaves room for."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(_soft, wanted + LEAST_FREE)), hard))
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - LEAST_FREE)


def resident(gateway):
    """KiB that the gateway has in memory."""
    with open(f"/proc/{gateway.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


async def opened(port, count):
    """So many connections, a few hundred at a time."""
    found = []
    for at in range(0, count, 200):
        found += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(min(200, count - at))))
    return found


def p99(took):
    return sorted(took)[int(len(took) * 0.99)] if took else 0.0


async def c8(folder, count, timed):
    """Connections that were used once and idle: what each costs, and whether anybody else feels it."""
    wrong, wanted = Found(), count or 10_000
    count = descriptors(wanted)
    if count < wanted:
        print(f"  only {count} of {wanted} connections: the process may not have more descriptors")
    more = {"switchboard": {"limits": {"max_connections": count + 1000}}}
    gateway = await asyncio.to_thread(Gateway, folder, [CENT], more=more)
    try:
        before_load = await steady(gateway.port, 200, 2)
        before = resident(gateway)
        lines = await opened(gateway.port, count)
        # What costs is what is kept after a request, so each makes one.
        for at in range(0, count, 500):
            for _reader, writer in lines[at:at + 500]:
                writer.write(b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n")
            await asyncio.gather(*(reader.readuntil(b"alive!\"") for reader, _writer in lines[at:at + 500]))
        idle = resident(gateway)
        with_load = await steady(gateway.port, 200, 2)
        each = (idle - before) / count
        print(f"  {count} idle connections: {each:.1f} KiB each; p99 {p99(before_load.took) * 1000:.1f} ms before, {p99(with_load.took) * 1000:.1f} ms with them")
        # Where there are few, what the process keeps for its next requests is more than what they cost.
        own = 0 if count >= 5_000 else 12 * 1024
        wrong.expect(idle - before <= 10 * count + own, f"an idle connection costs {each:.1f} KiB")
        wrong.expect(with_load.only(200), f"answers: {with_load.statuses}")
        wrong.expect(not timed or p99(with_load.took) <= 1.2 * p99(before_load.took) + 0.002, "others feel them")
        closed = sum(reader.at_eof() for reader, _writer in lines)
        wrong.expect(closed == 0, f"{closed} were closed meanwhile")
        for _reader, writer in lines:
            writer.close()
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def until_closed(connections, patience, drip=None, pause=5.0):
    """Seconds until each was closed; None for those that never were. `drip` is sent to each now and then."""
    began, took = time.monotonic(), [None] * len(connections)

    async def watch(at, reader, writer):
        while took[at] is None and time.monotonic() - began < patience:
            try:
                data = await asyncio.wait_for(reader.read(4096), pause)
                if not data:
                    took[at] = time.monotonic() - began
            except asyncio.TimeoutError:
                if drip:
                    writer.write(drip)
            except (ConnectionError, OSError):
                took[at] = time.monotonic() - began

    await asyncio.gather(*(watch(at, *connection) for at, connection in enumerate(connections)))
    for _reader, writer in connections:
        writer.close()
    return took


async def slow(folder, count, timed, begun, drip, pause, within):
    """Connections of that beginning, one piece after another: closed within that time, and nobody else feels it."""
    wrong, count = Found(), descriptors(count)
    gateway = await asyncio.to_thread(Gateway, folder, [CENT])
    try:
        before = await steady(gateway.port, 200, 2)
        lines = await opened(gateway.port, count)
        for at, (_reader, writer) in enumerate(lines):
            writer.write(begun[at % len(begun)])
        # While they hang there, everybody else is served.
        watching = asyncio.ensure_future(until_closed(lines, within + 5, drip, pause))
        others = await steady(gateway.port, 200, min(10, within))
        took = await watching
        left, slowest = took.count(None), max((one for one in took if one is not None), default=0.0)
        print(f"  {count} connections: {left} never closed, the last after {slowest:.1f} s; others: {others.statuses}, "
              f"p99 {p99(before.took) * 1000:.1f} ms before, {p99(others.took) * 1000:.1f} ms meanwhile")
        wrong.expect(left == 0, f"{left} of {count} were never closed")
        wrong.expect(slowest <= within or not timed, f"the last was closed after {slowest:.1f} s")
        wrong.expect(others.only(200), f"others are answered {others.statuses}")
        wrong.expect(not timed or p99(others.took) <= 2 * p99(before.took) + 0.005, "others feel it")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def c1(folder, count, timed):
    """Slow heads: nothing at all, or a byte every five seconds."""
    return await slow(folder, count or 5000, timed, [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\nx-a"], b"a", 5.0, 15)


async def c2(folder, count, timed):
    """Slow bodies: ten bytes a second."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-tests-master-key\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{"
    return await slow(folder, count or 2000, timed, [head], b"          ", 1.0, 25)


async def c3(folder, count, timed):
    """Readers of a long stream who take a byte a second: little memory each, cut after a minute without progress, paid for."""
    wrong, count = Found(), descriptors(count or 2000)
    # More than all the buffers on the way take.
    provider = await Provider(pieces=40_000, pause=0.0, word="word " * 100).start()
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model()])
    try:
        before = resident(gateway)
        lines = []
        for at in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=256)
            # The smallest window there is: what is not read is felt at once.
            writer.transport.get_extra_info("socket").setsockopt(1, 8, 2048)
            lines.append((reader, writer))
            text = Line(gateway.port)
            body = __import__("json").dumps(chat("m", f"mark-{at}-end", stream=True)).encode()
            writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {text.key}\r\ncontent-type: application/json\r\n"
                         f"content-length: {len(body)}\r\n\r\n".encode() + body)
        most, began = 0, time.monotonic()
        # Who reads hardly anything does not see the end either: it is the provider that is left.
        while len(provider.left) < count and time.monotonic() - began < 120:
            await asyncio.sleep(1)
            most = max(most, resident(gateway))
        cut, each = {mark: at - began for mark, at in provider.left.items()}, (most - before) / count
        found = rows(gateway)
        print(f"  {count} readers: {each:.1f} KiB each, {len(cut)} cut, the last after {max(cut.values(), default=0):.0f} s, {len(found)} rows")
        # The goal is 40; where there are fewer than 2,000, what the process keeps for itself counts among them.
        wrong.expect(count < 500 or each <= (40 if count >= 2000 else 60), f"{each:.1f} KiB for each")
        wrong.expect(len(cut) == count, f"{count - len(cut)} were never cut")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    found = rows(gateway)
    wrong.expect(len(found) == count, f"{len(found)} rows for {count} readers")
    return wrong + gateway.verify()
