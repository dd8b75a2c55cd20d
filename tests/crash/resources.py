"""R1, R2, R3, R4, R5, R6, R8, L1: many streams, more load than fits, hours, other tenants, no descriptors, a successor."""

import asyncio
import collections
import os
import random
import resource
import signal
import time

from crash.clients import descriptors, opened, p99, resident
from crash.stage import CENT, Found, Gateway, Line, Provider, ask, asked, chat, schema, steady


def descriptors_of(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


def processor_of(gateway):
    """Seconds that the gateway has had of a processor."""
    with open(f"/proc/{gateway.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def streamed(port, at, key):
    """Asks for a stream; how many pieces came, how late each was after the one before, and whether it ended as it should."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = __import__("json").dumps(chat("m", f"mark-{at}-end", stream=True)).encode()
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
                 f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
    text, times = b"", []
    try:
        while data := await reader.read(65536):
            times.append(time.monotonic())
            text += data
    finally:
        writer.close()
    return text.startswith(b"HTTP/1.1 200") and b"data: [DONE]" in text, text.count(b'"content": "word '), times


async def r1(folder, count, timed):
    """Streams of an event a second, all at once. 9,000 are as many as a process here has descriptors for: `--count 9000`."""
    wrong, count = Found(), descriptors((count or 2000) * 2) // 2
    provider = await Provider(pieces=30, pause=1.0).start()
    more = {"switchboard": {"limits": {"max_connections": count + 1000}}}
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model()], more=more)
    try:
        before, key = resident(gateway), Line(gateway.port).key
        running = []
        for at in range(count):
            running.append(asyncio.ensure_future(streamed(gateway.port, at, key)))
            if at % 100 == 99:
                await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        each = (resident(gateway) - before) / count
        answers = await asyncio.gather(*running)
        late = [later - earlier - 1 for _whole, _pieces, times in answers for earlier, later in zip(times[1:], times[2:])]
        print(f"  {count} streams: {each:.1f} KiB each, {sum(whole for whole, _p, _t in answers)} whole, events come {p99(late) * 1000:.0f} ms late (p99)")
        wrong.expect(all(whole for whole, _pieces, _times in answers), f"{sum(not whole for whole, _p, _t in answers)} streams broke off")
        wrong.expect(count < 500 or each <= 64, f"{each:.1f} KiB each")
        wrong.expect(not timed or p99(late) <= 0.05, "events come late")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r2(folder, count, timed):
    """Twice what a provider takes that answers sixteen at a time, for ten seconds (`count`): as much is served as before, refusals come at
    once, health answers."""
    wrong, seconds, places = Found(), count or 10, 16
    provider = await Provider(pieces=5, pause=0.02).start()
    model = provider.model()
    limited = model | {"litellm_params": model["litellm_params"] | {"max_parallel_requests": places}}
    gateway = await asyncio.to_thread(Gateway, folder, [limited])
    try:
        served = collections.Counter()

        async def busy(until):
            line = Line(gateway.port)
            while time.monotonic() < until:
                # Not in one step: the count would be read before the answer is waited for.
                status, _text = await line.ask("POST", "/v1/chat/completions", chat("m", "mark-0-end"))
                served[status] += 1
            line.close()

        await asyncio.gather(*(busy(time.monotonic() + 3) for _ in range(places)))
        peak = served[200] / 3
        loading, health, hints = asyncio.ensure_future(steady(gateway.port, 2 * peak, seconds, model="m", patience=60, words="mark-0-end")), [], []
        while not loading.done():
            began = time.monotonic()
            status, _text = await Line(gateway.port).ask("GET", "/health/liveness")
            health.append(time.monotonic() - began)
            wrong.expect(status == 200, f"health is answered {status}")
            managed = await Line(gateway.port).ask("GET", "/key/list")
            wrong.expect(managed[0] == 200, f"an administrator is answered {managed[0]}")
            one, headers, _text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("m", "mark-0-end"))
            hints += [headers.get("retry-after")] if one == 429 else []
            await asyncio.sleep(0.2)
        load = await loading
        lasted = max(due + took for due, took in zip(load.due, load.took)) - min(load.due)
        goodput = load.answers.count(200) / lasted
        refused = p99([took for took, status in zip(load.took, load.answers) if status != 200])
        print(f"  peak {peak:.0f}/s; at twice that {goodput:.0f}/s served, {load.statuses}, {load.hung} hung; "
              f"refused within {refused * 1000:.0f} ms, health within {p99(health) * 1000:.0f} ms (p99)")
        wrong.expect(load.only(200, 429, 503), f"answers: {load.statuses}, {load.hung} hung")
        wrong.expect(set(load.statuses) != {200}, "nothing was too much")
        wrong.expect(all(hints) and hints, f"refusals say when to come again: {hints}")
        wrong.expect(not timed or goodput >= 0.85 * peak, f"{goodput:.0f}/s of {peak:.0f}/s")
        wrong.expect(not timed or refused <= 0.02, f"refusals come after {refused * 1000:.0f} ms")
        wrong.expect(not timed or p99(health) <= 0.1, "health answers late")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r3(folder, count, timed):
    """Three times what fits into 256 MiB: streams with prompts of 60 KiB (`count`, 8,000). Nothing is killed or broken off, and what is
    given up is given up in its order."""
    wrong, count, most = Found(), descriptors((count or 8000) * 2) // 2, 256
    provider = await Provider(pieces=20, pause=1.0).start()
    limits = {"max_connections": count + 1000, "max_memory_bytes": most << 20}
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model()], more={"switchboard": {"limits": limits}})
    statuses, broken, late = collections.Counter(), [], []
    try:
        async def client(at):
            line = Line(gateway.port)
            began = time.monotonic()
            status, text = await line.ask("POST", "/v1/chat/completions", chat("m", f"mark-{at}-end" + " word" * 12_000, stream=True))
            statuses[status] += 1
            if status == 200 and b"data: [DONE]" not in text:
                broken.append(at)
            if status != 200:
                late.append(time.monotonic() - began)
            line.close()

        running, peak = [], 0
        for at in range(count):
            running.append(asyncio.ensure_future(client(at)))
            if at % 50 == 49:
                await asyncio.sleep(0.1)
                peak = max(peak, resident(gateway))
        ended = asyncio.gather(*running)
        while not ended.done():
            await asyncio.sleep(0.5)
            peak = max(peak, resident(gateway))
        await ended
        said = [text for text in gateway.said if "memory is short" in text]
        order = [step for text in said for step in ("connections", "bodies", "calls") if step in text.split("short:")[1].split(" ")[1:3]]
        print(f"  {count} streams: {dict(statuses)}, {peak / 1024:.0f} MiB at most, steps {order}, refused within {p99(late) * 1000:.0f} ms (p99)")
        wrong.expect(gateway.process.poll() is None, "it was killed")
        wrong.expect(set(statuses) == {200, 503} and not broken, f"answers: {dict(statuses)}, {len(broken)} broken off")
        wrong.expect(order[:3] == ["connections", "bodies", "calls"], f"the steps were {order}")
        wrong.expect(peak <= most * 1024, f"{peak / 1024:.0f} MiB")
        again = await Line(gateway.port).ask("POST", "/v1/chat/completions", chat("m", "mark-0-end"))
        wrong.expect(again[0] == 200, f"a call afterwards: {again[0]}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r4(folder, count, timed):
    """A mixture for ten minutes (`count` seconds; 28800 is the goal's): memory stops growing, descriptors come back."""
    from crash.neutral import CALM, Moody, mixture

    wrong, seconds, provider = Found(), count or 600, await Moody().start()
    gateway = await asyncio.to_thread(Gateway, folder, provider.models(), more=CALM)
    try:
        made = await asked(gateway.port, "POST", "/key/generate", {})
        await mixture(gateway.port, made["key"], 2000)
        await asyncio.sleep(2)
        fds, began, seen = descriptors_of(gateway), time.monotonic(), []
        while time.monotonic() - began < seconds:
            await mixture(gateway.port, made["key"], 500)
            seen.append((time.monotonic() - began, resident(gateway)))
        await asyncio.sleep(2)
        later = [one for one in seen if one[0] >= seconds / 8]
        middle = [sum(column) / len(later) for column in zip(*later)]
        slope = sum((at - middle[0]) * (size - middle[1]) for at, size in later) / max(1e-9, sum((at - middle[0]) ** 2 for at, _size in later))
        print(f"  {len(seen) * 500} requests in {seconds} s: memory {slope * 3600 / 1024:+.1f} MiB an hour, {descriptors_of(gateway)} descriptors after {fds}")
        wrong.expect(seconds < 7200 or slope * 3600 / 1024 <= 1, "memory grows")
        wrong.expect(descriptors_of(gateway) <= fds * 1.1 + 10, "descriptors do not come back")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong + gateway.verify()


async def r5(folder, count, timed):
    """Requests to a provider that is well (`count`; 10,000,000 is the goal's): the gateway fails none of its own."""
    wrong, count, answers = Found(), count or 50_000, collections.Counter()
    gateway = await asyncio.to_thread(Gateway, folder, [CENT])
    left = iter(range(count))
    try:
        async def client():
            line = Line(gateway.port)
            for at in left:
                status, _text = await line.ask("POST", "/v1/chat/completions", chat("cent", stream=at % 3 == 0))
                answers[status] += 1
            line.close()

        await asyncio.gather(*(client() for _ in range(16)))
        print(f"  {dict(answers)}")
        wrong.expect(answers == {200: count}, f"answers: {dict(answers)}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r6(folder, count, timed):
    """A tenant that asks twenty times more than it may, for ten seconds (`count`): the other one is refused nothing and hardly waits."""
    wrong, seconds = Found(), count or 10
    gateway = await asyncio.to_thread(Gateway, folder, [CENT])
    try:
        greedy = (await asked(gateway.port, "POST", "/key/generate", {"rpm_limit": 60}))["key"]
        modest = (await asked(gateway.port, "POST", "/key/generate", {}))["key"]
        alone = await steady(gateway.port, 20, seconds, [modest])
        flood = asyncio.ensure_future(steady(gateway.port, 20, seconds, [greedy]))
        beside = await steady(gateway.port, 20, seconds, [modest])
        refused = (await flood).statuses
        print(f"  alone p99 {p99(alone.took) * 1000:.1f} ms, beside the other {p99(beside.took) * 1000:.1f} ms; the other: {refused}")
        wrong.expect(beside.only(200), f"answers: {beside.statuses}")
        wrong.expect(429 in refused, "the greedy one was never refused")
        wrong.expect(not timed or p99(beside.took) <= 1.5 * p99(alone.took) + 0.005, "it waits")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r8(folder, count, timed):
    """No descriptor left: the gateway does not spin, and serves again within a second. Where it knows from its start how many there are,
    clients do not get the last ones: who is connected is served, new providers and the database included."""
    wrong, most = Found(), count or 512
    descriptors(most * 2)
    wrong += await r8_known(f"{folder}/known", most)
    gateway = await asyncio.to_thread(Gateway, folder, [CENT])
    try:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (most, most))
        lines = await opened(gateway.port, most + 100)
        await asyncio.sleep(1)
        before, began = processor_of(gateway), time.monotonic()
        await asyncio.sleep(4)
        share, held = (processor_of(gateway) - before) / (time.monotonic() - began), descriptors_of(gateway)
        for _reader, writer in lines:
            writer.transport.abort()
        freed = time.monotonic()
        status, _text = await asyncio.wait_for(Line(gateway.port).ask("POST", "/v1/chat/completions", chat("cent")), 30)
        took = time.monotonic() - freed
        print(f"  {held} of {most} descriptors: {share * 100:.0f} % of a core; {status} {took:.2f} s after they were free")
        wrong.expect(held >= most - 2, f"only {held} descriptors were taken")
        wrong.expect(share < 0.2, f"{share * 100:.0f} % of a core for nothing")
        wrong.expect(status == 200 and (not timed or took <= 1), f"{status} after {took:.2f} s")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def r8_known(folder, most):
    wrong, provider = Found(), await Provider(pieces=1, pause=0).start()
    gateway = await asyncio.to_thread(Gateway, folder, [CENT, provider.model()], files=most)
    try:
        line = Line(gateway.port)
        await line.ask("GET", "/health/liveness")
        lines = await opened(gateway.port, most + 100)
        await asyncio.sleep(1)
        held, closed = descriptors_of(gateway), sum(reader.at_eof() for reader, _writer in lines)
        # Neither the provider nor the key has been asked for before.
        statuses = [(await line.ask("POST", path, body))[0] for path, body in (("/key/generate", {}), ("/v1/chat/completions", chat("m", "mark-0-end")))]
        print(f"  of {most} known descriptors {held} are taken, {closed} of {len(lines)} connections closed at once; who was there is told {statuses}")
        wrong.expect(statuses == [200, 200], f"who was connected is told {statuses}")
        wrong.expect(held <= most - 64, f"{held} of {most} descriptors are taken")
        for _reader, writer in lines:
            writer.transport.abort()
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def l1(folder, count, timed):
    """A successor takes the port while the one before finishes, ten times (`count`) under load: nobody is refused, no stream is cut."""
    wrong, times, address = Found(), count or 10, schema()
    if address is None:
        print("  skipped: TEST_DATABASE_URL is not set")
        return wrong
    provider = await Provider(pieces=20, pause=0.1).start()
    models, serving, ended = [CENT, provider.model()], True, []
    gateway = await asyncio.to_thread(Gateway, f"{folder}/0", models, address)
    port, answers, streams = gateway.port, collections.Counter(), []
    try:
        async def client():
            while serving:
                line = Line(port)
                for _ in range(random.randrange(1, 20)):
                    try:
                        answers[(await line.ask("POST", "/v1/chat/completions", chat("cent")))[0]] += 1
                    except (ConnectionError, asyncio.IncompleteReadError) as error:
                        answers[type(error).__name__] += 1
                    await asyncio.sleep(0.02)
                line.close()

        async def reader(at):
            while serving:
                streams.append((await streamed(port, at, Line(port).key))[0])

        running = [asyncio.ensure_future(client()) for _ in range(6)] + [asyncio.ensure_future(reader(at)) for at in range(20)]
        for at in range(1, times + 1):
            await asyncio.sleep(1.5)
            successor = await asyncio.to_thread(Gateway, f"{folder}/{at}", models, address, port=port, takeover=True)
            gateway.process.send_signal(signal.SIGTERM)
            ended.append(await asyncio.to_thread(gateway.process.wait, 60))
            gateway = successor
        serving = False
        await asyncio.gather(*running)
        print(f"  {times} successors: {dict(answers)}, {sum(streams)} of {len(streams)} streams whole")
        wrong.expect(set(answers) == {200}, f"answers: {dict(answers)}")
        wrong.expect(all(streams), f"{streams.count(False)} streams were cut")
        wrong.expect(not any(ended), f"those before ended with {ended}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong + gateway.verify(address)
