"""M12, M13: limits on requests and on tokens, exactly."""

import asyncio
import pathlib
import time

from crash.outages import redis
from crash.stage import CENT, Found, Gateway, Line, Provider, asked, burst, chat, schema


async def meet(gateways):
    """Until they share their limits."""
    deadline = time.monotonic() + 20
    for gateway in gateways:
        while b"switchboard_limits_shared 1.0" not in (await Line(gateway.port).ask("GET", "/metrics"))[1]:
            if time.monotonic() > deadline:
                raise RuntimeError("they do not meet")
            await asyncio.sleep(0.1)
    # Each has to have heard of the others: they say so every second.
    await asyncio.sleep(1.5)


async def into_a_minute():
    """Waits where a minute is about to end: a limit of the next one would admit as many again."""
    if (left := 60 - time.time() % 60) < 20:
        await asyncio.sleep(left + 0.5)


async def m12(folder, count, timed):
    """A thousand requests at once on a limit of a hundred a minute: at one gateway, and at three with a Redis between them."""
    wrong, count, folder = Found(), count or 1000, pathlib.Path(folder)
    gateway = await asyncio.to_thread(Gateway, folder / "alone", [CENT])
    try:
        made = await asked(gateway.port, "POST", "/key/generate", {"rpm_limit": 100})
        await into_a_minute()
        statuses = await burst([gateway.port], made["key"], count)
        print(f"  one gateway: {statuses}")
        wrong.expect(statuses == {200: min(100, count), 429: max(0, count - 100)} or count <= 100, f"one gateway: {statuses}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    address = schema()
    with redis() as server:
        if server is None or address is None:
            print("  three gateways: skipped without Redis and TEST_DATABASE_URL")
            return wrong
        more = {"router_settings": {"redis_url": server.address}}
        gateways = [await asyncio.to_thread(Gateway, folder / str(at), [CENT], address, 1, more=more) for at in range(3)]
        try:
            await meet(gateways)
            made = await asked(gateways[0].port, "POST", "/key/generate", {"rpm_limit": 100})
            await into_a_minute()
            statuses = await burst([one.port for one in gateways], made["key"], count // 3)
            print(f"  three gateways: {statuses}")
            alone = [line.strip() for gateway in gateways for line in gateway.said if "keeps limits by itself" in line]
            wrong.expect(statuses == {200: 100, 429: count // 3 * 3 - 100} or count < 300, f"three gateways: {statuses} {alone}")
        finally:
            for gateway in gateways:
                wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "a gateway did not end with 0")
    return wrong


async def m13(folder, count, timed):
    """Tokens: never more than the limit in a minute, and nearly all of it where there is enough to do. `count` is seconds."""
    wrong, seconds = Found(), count or 185
    # What a slow machine uses up in that time.
    limit = 60_000 if seconds >= 60 else 20_000
    provider = await Provider(pieces=90, pause=0).start()
    gateway = await asyncio.to_thread(Gateway, folder, [provider.model()])
    try:
        made = await asked(gateway.port, "POST", "/key/generate", {"tpm_limit": limit})
        # LiteLLM #18730: five requests at once on a limit that has room for one to three let all of them through.
        small = await asked(gateway.port, "POST", "/key/generate", {"tpm_limit": 300})
        body = chat("m", "mark-0-end", max_tokens=90)
        five = await asyncio.gather(*(Line(gateway.port).ask("POST", "/v1/chat/completions", body, small["key"]) for _ in range(5)))
        statuses = sorted(status for status, _text in five)
        wrong.expect(1 <= statuses.count(200) <= 3 and set(statuses) == {200, 429}, f"five at once on a limit for three: {statuses}")
        if seconds < 60:
            await into_a_minute()
        windows, refused, other = {}, 0, set()
        end = time.time() + seconds

        async def work():
            nonlocal refused
            line = Line(gateway.port)
            while time.time() < end:
                began = time.time()
                status, _text = await line.ask("POST", "/v1/chat/completions", body, made["key"])
                if status == 200:
                    windows.setdefault(int(began // 60), []).append(100)
                elif status == 429:
                    refused += 1
                    await asyncio.sleep(0.1)
                else:
                    other.add(status)
            line.close()

        await asyncio.gather(*(work() for _ in range(8)))
        used = {at: sum(tokens) for at, tokens in windows.items()}
        whole = [tokens for at, tokens in sorted(used.items())][1:-1] or list(used.values())
        print(f"  {seconds} s, limit {limit}: tokens by minute {list(used.values())}, refused {refused}")
        wrong.expect(not other, f"other answers: {other}")
        wrong.expect(all(tokens <= limit for tokens in used.values()), f"more than the limit: {used}")
        wrong.expect(all(tokens >= 0.97 * limit for tokens in whole), f"less than 97 % of it: {whole}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
