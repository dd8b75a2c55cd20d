"""R7: a panic in each of twenty-seven places ends what it is in, and nothing else."""

import asyncio
import collections
import re
import time

from crash.neutral import quiet
from crash.stage import CENT, Found, Gateway, Line, Provider, asked, chat, rows

# Where, how often it is passed before, and how many requests it may cost. Places beside calls cost none.
IN_CALLS = [
    ("arriving", 40, 1), ("looking_up", 1, 6), ("identified", 40, 1), ("body_read", 20, 1), ("planning", 20, 1), ("admitting", 20, 1),
    ("before_intent", 20, 1), ("after_intent", 20, 1), ("sending", 20, 1), ("answered", 20, 1), ("relaying", 20, 1), ("metering", 20, 1),
    ("before_settlement", 20, 1), ("after_settlement", 20, 1), ("recording", 20, 1), ("managing", 3, 1), ("telling_metrics", 1, 1),
    ("accepting", 9, 1),
]
BESIDE = [
    ("mid_batch", 3), ("after_commit", 3), ("before_position", 3), ("writing_log", 3), ("syncing", 3), ("following", 3), ("renewing", 2),
    ("sweeping", 2), ("sweeping_pool", 1),
]
LOOPS, ROUNDS = 6, 12


async def traffic(gateway, key, answers):
    """Whole answers and streams, and what administrators ask meanwhile."""

    async def told(line, *request, **more):
        try:
            status, text = await asyncio.wait_for(line.ask(*request, **more), 30)
            answers[status if status != 200 or not re.search(rb'data: \{"error', text) else "broken off"] += 1
        except (ConnectionError, OSError, asyncio.IncompleteReadError):
            answers["connection"] += 1

    async def caller(at):
        for turn in range(ROUNDS):
            line = Line(gateway.port, key)
            if (at + turn) % 2:
                await told(line, "POST", "/v1/chat/completions", chat("m", f"mark-{at * 1000 + turn}-end", stream=True))
            else:
                await told(line, "POST", "/v1/chat/completions", chat("cent"))
            line.close()

    async def administrator():
        line = Line(gateway.port)
        for turn in range(ROUNDS):
            await told(line, "GET", "/metrics")
            await told(line, "POST", "/key/generate", {"key_alias": f"made-{time.monotonic_ns()}"})
            await told(line, "POST", "/model/new", {"model_name": f"made-{turn}", "litellm_params": {"model": "demo/echo"}})
            await asyncio.sleep(0.05)
        line.close()

    await asyncio.gather(*(caller(at) for at in range(LOOPS)), administrator())


async def at_place(folder, name, passed, cost):
    wrong, provider = Found(), await Provider(pieces=3, pause=0.002).start()
    more = {"switchboard": {"upstream": {"pool_idle_timeout_ms": 400}}}
    variables = {"SWITCHBOARD_FAILPOINT": f"panic:{name}:{passed}"}
    gateway = await asyncio.to_thread(Gateway, folder, [CENT, provider.model()], more=more, variables=variables)
    try:
        key = (await asked(gateway.port, "POST", "/key/generate", {"max_parallel_requests": LOOPS, "max_budget": 50}))["key"]
        answers, after = collections.Counter(), collections.Counter()
        await traffic(gateway, key, answers)
        failed = sum(count for status, count in answers.items() if status != 200)
        # What runs beside calls gets time to panic, and to begin anew.
        for _ in range(40):
            if any(f"a panic at `{name}`" in line for line in gateway.said):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        # Every place is free, every cent that was held is back: as many as may run at once do, and none is refused.
        await traffic(gateway, key, after)
        panics = sum(f"a panic at `{name}`" in line for line in gateway.said)
        wrong.expect(gateway.process.poll() is None, f"{name}: the process has ended")
        wrong.expect(panics == 1, f"{name}: {panics} panics")
        wrong.expect(failed <= cost, f"{name}: it cost {failed} requests: {dict(answers)}")
        wrong.expect(set(after) == {200}, f"{name}: afterwards {dict(after)}")
        held = await quiet(gateway.port)
        wrong.expect(held is None, f"{name}: still held: {held}")
        await asyncio.sleep(1)
        info = (await asked(gateway.port, "GET", f"/key/info?key={key}"))["info"]
        paid = sum(row[1] for row in rows(gateway))
        # One whose end was lost is settled at the next start.
        wrong.expect(abs(round(info["spend"] * 1e9) - paid) <= 11_000_000, f"{name}: the key has spent {info['spend']}, the ledger has {paid}")
    finally:
        ended = await asyncio.to_thread(gateway.stop)
        wrong.expect(ended == 0, f"{name}: it ended with {ended}")
    print(f"  {name}: {panics} panic, {failed} of {sum(answers.values())} requests failed, {sum(after.values())} afterwards {dict(after)}", flush=True)
    return wrong + gateway.verify()


async def r7(folder, count, timed):
    """The first `count` places; all unless said. A debug build is needed: others have no such places."""
    wrong = Found()
    for at, (name, passed, cost) in enumerate((IN_CALLS + [(*one, 0) for one in BESIDE])[:count]):
        wrong += await at_place(f"{folder}/{at}", name, passed, cost)
    return wrong
