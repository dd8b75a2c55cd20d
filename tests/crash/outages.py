"""D1 to D5: what they stand on is away."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import services
from crash.stage import CENT, Cable, Found, Gateway, Line, Load, MASTER_KEY, ask, asked, chat, schema, steady


class Service:
    """A server of one's own."""

    def __init__(self, process, address, home, folder=None):
        self.process, self.address, self.home, self.folder = process, address, pathlib.Path(home), folder

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()

    def again(self):
        """Starts it once more, on what it had."""
        user = services.ordinary_user()
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(self.process.args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.home, **identity)
        port = urllib.parse.urlsplit(self.address).port
        if not services.answers(port, self.process):
            raise OSError("it does not start again")


@contextlib.contextmanager
def postgres(*options):
    """A PostgreSQL; nothing where its programs are not there."""
    named = os.environ.get("TEST_POSTGRES_BIN")
    folder = pathlib.Path(named) if named else services.postgres_folder()[0]
    if folder is None:
        print("  skipped: there is no PostgreSQL")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="switchboard-pg-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)
        server = Service(*services.start_postgres(folder, home, [part for option in options for part in ("-c", option)]), home, folder)
        try:
            yield server
        finally:
            server.end()


@contextlib.contextmanager
def redis():
    """A Redis; nothing where its program is not there."""
    server, libraries = os.environ.get("TEST_REDIS_SERVER"), os.environ.get("TEST_REDIS_LIBRARIES")
    if not server:
        server, libraries, _why = services.redis_server()
    if not server:
        print("  skipped: there is no Redis")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="switchboard-redis-") as home:
        running = Service(*services.start_redis(server, libraries, home), home)
        try:
            yield running
        finally:
            # One that is frozen hears nothing.
            running.process.send_signal(signal.SIGCONT)
            running.end()


def p99(took):
    return sorted(took)[int(len(took) * 0.99)] if took else 0.0


async def shares(gateway):
    return b"switchboard_limits_shared 1.0" in (await Line(gateway.port).ask("GET", "/metrics"))[1]


async def d1(folder, count, timed):
    """Redis is frozen for some seconds, while requests come at a steady rate. `count` is requests a second."""
    wrong, rate = Found(), count or 500
    with redis() as server:
        if server is None:
            return wrong
        gateway = await asyncio.to_thread(Gateway, folder, [CENT], more={"router_settings": {"redis_url": server.address}})
        try:
            made = [await asked(gateway.port, "POST", "/key/generate", {"rpm_limit": 10_000_000, "tpm_limit": 1_000_000_000}) for _ in range(20)]
            limited = (await asked(gateway.port, "POST", "/key/generate", {"rpm_limit": 50}))["key"]
            while not await shares(gateway):
                await asyncio.sleep(0.1)
            load, began = Load(), time.monotonic()
            loading = asyncio.ensure_future(steady(gateway.port, rate, 12, [one["key"] for one in made], load=load))
            await asyncio.sleep(3)
            frozen = time.monotonic()
            server.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2)
            # A gateway that is alone has the whole limit for its part.
            many = await asyncio.gather(*(Line(gateway.port).ask("POST", "/v1/chat/completions", chat("cent"), limited) for _ in range(80)))
            await asyncio.sleep(3)
            mended = time.monotonic()
            server.process.send_signal(signal.SIGCONT)
            while not await shares(gateway) and time.monotonic() - mended < 20:
                await asyncio.sleep(0.05)
            recovered = time.monotonic() - mended
            await loading
            admitted = sum(status == 200 for status, _text in many)
            usual, first, later = (p99(load.between(*times)) for times in [(began + 1, frozen), (frozen, frozen + 1), (frozen + 1, mended)])
            print(f"  {len(load.answers)} requests: {load.statuses}, {load.hung} hung; p99 {usual * 1000:.1f} ms before, {first * 1000:.1f} ms in the first "
                  f"second, {later * 1000:.1f} ms after it; {admitted} of 80 on a limit of 50; shared again after {recovered:.2f} s")
            wrong.expect(load.only(200), f"answers: {load.statuses}, {load.hung} hung")
            wrong.expect(admitted == 50, f"{admitted} admitted on a limit of 50")
            wrong.expect(not timed or first <= usual + 0.06, f"in the first second p99 is {first * 1000:.1f} ms")
            wrong.expect(not timed or later <= usual + 0.002, f"afterwards p99 is {later * 1000:.1f} ms")
            wrong.expect(recovered <= 2 or not timed and recovered < 20, f"limits are shared again only after {recovered:.2f} s")
        finally:
            server.process.send_signal(signal.SIGCONT)
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


async def d2(folder, count, timed):
    """PostgreSQL is away for a minute, or for so many seconds: those who are known are served, nobody is told 401, nothing is lost."""
    wrong, seconds, folder = Found(), count or 60, pathlib.Path(folder)
    with postgres() as server:
        if server is None:
            return wrong
        gateways = [await asyncio.to_thread(Gateway, folder / str(at), [CENT], server.address) for at in range(2)]
        gateway, other = gateways
        try:
            known = [(await asked(gateway.port, "POST", "/key/generate", {}))["key"] for _ in range(50)]
            paid = (await asked(gateway.port, "POST", "/key/generate", {"max_budget": 1000}))["key"]
            unknown = [(await asked(other.port, "POST", "/key/generate", {}))["key"] for _ in range(30)]
            # Known is who has been here.
            for key in [*known, paid]:
                await Line(gateway.port).ask("POST", "/v1/chat/completions", chat("cent"), key)
            loading = asyncio.ensure_future(steady(gateway.port, 50, seconds + 10, known, patience=30))
            paying, strange, stop = [], [], asyncio.Event()

            async def pay():
                line = Line(gateway.port)
                while not stop.is_set():
                    paying.append((await line.ask("POST", "/v1/chat/completions", chat("cent"), paid))[0])
                    await asyncio.sleep(0.1)

            payer = asyncio.ensure_future(pay())
            await asyncio.sleep(2)
            server.end(signal.SIGQUIT)
            for key in unknown:
                strange.append((await Line(gateway.port).ask("POST", "/v1/chat/completions", chat("cent"), key))[0])
                await asyncio.sleep(min(seconds, 20) / len(unknown))
            await asyncio.sleep(max(0, seconds - min(seconds, 20)))
            await asyncio.to_thread(server.again)
            back = time.monotonic()
            while (await Line(gateway.port).ask("POST", "/v1/chat/completions", chat("cent"), unknown[0]))[0] != 200 and time.monotonic() - back < 30:
                await asyncio.sleep(0.1)
            there = time.monotonic() - back
            load = await loading
            stop.set()
            await payer
            # A cent each: what was answered is what was spent, by every gateway's word, once journals are carried.
            wanted = round(0.01 * (paying.count(200) + 1), 2)
            deadline, spent = time.monotonic() + 10, None
            while spent != wanted and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                spent = round((await asked(other.port, "GET", "/key/info?key=" + paid))["info"]["spend"], 2)
            print(f"  away for {seconds} s: known keys {load.statuses} ({load.hung} hung), a key with a budget {dict((one, paying.count(one)) for one in set(paying))}, "
                  f"unknown ones {dict((one, strange.count(one)) for one in set(strange))}; there again after {there:.1f} s; spent {spent} of {wanted}")
            good = load.answers.count(200)
            wrong.expect(good >= 0.9999 * len(load.answers) and not load.hung, f"known keys: {load.statuses}")
            wrong.expect(set(paying) <= {200, 503}, f"a key with a budget: {set(paying)}")
            wrong.expect(set(strange) == {503}, f"unknown keys: {set(strange)}")
            wrong.expect(spent == wanted, f"spent {spent}, answered for {wanted}")
            wrong.expect(there <= 10, f"unknown keys are served only {there:.1f} s after its return")
        finally:
            for one in gateways:
                wrong.expect(await asyncio.to_thread(one.stop) == 0, "a gateway did not end with 0")
        wrong += gateway.verify(server.address)
    return wrong


async def d3(folder, count, timed):
    """The database has no connection to give: nobody is told that a key is wrong."""
    wrong, count, folder = Found(), count or 400, pathlib.Path(folder)
    with postgres("max_connections=8", "superuser_reserved_connections=0", "max_wal_senders=0") as server:
        if server is None:
            return wrong
        gateway = await asyncio.to_thread(Gateway, folder, [CENT], server.address, more={"general_settings": {"database_connection_pool_limit": 3}})
        held = []
        try:
            keys = [(await asked(gateway.port, "POST", "/key/generate", {}))["key"] for _ in range(40)]
            # Everybody else takes what is left, then what the gateway gives back when it is forced to.
            psql = [str(server.folder / "psql"), server.address, "-qtA", "-c", "SELECT pg_sleep(30)"]
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query NOT LIKE '%pg_sleep%'"
            first = subprocess.Popen([str(server.folder / "psql"), server.address, "-qtA"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
            held.append(first)
            await asyncio.sleep(0.5)
            for _ in range(5):
                first.stdin.write(kill + ";\n")
                first.stdin.flush()
                held += [subprocess.Popen(psql, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(8)]
                await asyncio.sleep(0.3)
            answers, waits = [], []

            async def call(at):
                key = keys[at % len(keys)]
                status, headers, text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), key)
                answers.append(status)
                if status == 503:
                    waits.append(headers.get("retry-after"))

            # All are forgotten, so that each has to be looked up.
            await Line(gateway.port).ask("POST", "/budget/new", {"max_budget": 1})
            for at in range(0, count, 40):
                await asyncio.gather(*(call(one) for one in range(at, min(at + 40, count))))
            seen = {status: answers.count(status) for status in set(answers)}
            print(f"  {count} requests without connections: {seen}, {len(waits) - waits.count(None)} of {len(waits)} told when to come again")
            wrong.expect(set(seen) <= {200, 503}, f"answers: {seen}")
            wrong.expect(None not in waits, "a 503 without Retry-After")
            for one in held:
                one.kill()
            deadline = time.monotonic() + 15
            while (status := (await Line(gateway.port).ask("POST", "/key/generate", {}))[0]) != 200 and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
            wrong.expect(status == 200, f"afterwards keys are made with {status}")
        finally:
            for one in held:
                one.kill()
                one.wait()
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


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
