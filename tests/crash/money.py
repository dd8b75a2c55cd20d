"""M1, M2, M5, M8: money over HTTP."""

import asyncio
import pathlib
import random
import signal
import time

from crash.stage import CENT, INPUT_NANO, OUTPUT_NANO, PROMPT_TOKENS, Found, Gateway, Provider, ask, asked, burst, chat, rows, schema


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
