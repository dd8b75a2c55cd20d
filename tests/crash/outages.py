"""D4, D5: what they stand on is away."""

import asyncio
import json
import random
import time
import urllib.parse

from crash.stage import CENT, Cable, Found, Gateway, MASTER_KEY, ask, asked, chat, schema


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
