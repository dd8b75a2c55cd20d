"""M6 over a cable that is cut between a COMMIT and its answer."""

import asyncio
import collections
import os
import pathlib
import random
import subprocess
import time
import urllib.parse

from crash.stage import CENT, Cable, Found, Gateway, Line, asked, chat, schema

# As simple queries have it; a statement that only speaks of one does not end there.
COMMIT = b"COMMIT\0"
CUTS, PATIENCE = 500, 600


class Scissors(Cable):
    """Once they are open: every other COMMIT goes through, and its connection is cut before the gateway hears of it."""

    open, cuts, commits, before = False, 0, 0, 0

    async def _between(self, reader, writer, there, back):
        cut = asyncio.Event()
        answers = asyncio.ensure_future(self._answers(there, writer, cut))
        try:
            while data := await reader.read(65536):
                commits = COMMIT in data
                self.commits += commits
                cutting = commits and self.open and random.random() < 0.5
                if cutting:
                    cut.set()
                back.write(data)
                await back.drain()
                if cutting:
                    self.cuts += 1
                    if random.random() < 0.5:
                        # The answer is there and says that it is done; nobody gets it.
                        await asyncio.wait([answers], timeout=5)
                    else:
                        self.before += 1
                    break
        except (ConnectionError, OSError):
            pass
        finally:
            answers.cancel()
            back.close()
            writer.transport.abort()

    @staticmethod
    async def _answers(there, writer, cut):
        try:
            while data := await there.read(65536):
                if cut.is_set():
                    return
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            pass


def ledger(address):
    """How many rows of the ledger settle a call once, and how many more there are."""
    folder = os.environ.get("TEST_POSTGRES_BIN")
    psql = str(pathlib.Path(folder) / "psql") if folder else "psql"
    statement = "SELECT count(*), count(DISTINCT call), coalesce(sum(amount), 0) FROM ledger WHERE kind = 'settle'"
    found = subprocess.run([psql, address, "-qtAc", statement], check=True, capture_output=True, text=True).stdout.strip().split("|")
    return tuple(int(one) for one in found)


async def m6_commits(folder, count, timed):
    """Settlements whose COMMIT is done while its answer is lost: a row each, and each paid once. `count` is how many are cut."""
    wrong, address, count = Found(), schema(), count or CUTS
    if address is None:
        print("  skipped: TEST_DATABASE_URL is not set")
        return wrong
    parts = urllib.parse.urlsplit(address)
    cable = Scissors(parts.hostname, parts.port or 5432)
    await cable.plug()
    user = parts.netloc.rpartition("@")[0]
    through = parts._replace(netloc=f"{user}@127.0.0.1:{cable.port}" if user else f"127.0.0.1:{cable.port}").geturl()
    gateway = await asyncio.to_thread(Gateway, folder, [CENT], through)
    answers = collections.Counter()
    try:
        made = await asked(gateway.port, "POST", "/key/generate", {})
        cable.open, began = True, time.monotonic()

        async def client():
            line = Line(gateway.port)
            while cable.cuts < count and time.monotonic() - began < PATIENCE:
                status, _text = await line.ask("POST", "/v1/chat/completions", chat("cent"), made["key"])
                answers[status] += 1
                await asyncio.sleep(random.uniform(0, 0.1))
            line.close()

        await asyncio.gather(*(client() for _ in range(8)))
        cable.open = False
        served = answers[200]
        # What was not told yet is told now.
        for _ in range(300):
            written = ledger(address)
            if written[0] >= served:
                break
            await asyncio.sleep(0.2)
        spent = (await asked(gateway.port, "GET", "/key/info?key=" + made["key"]))["info"]["spend"]
    finally:
        cable.open = False
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    rows, calls, amount = ledger(address)
    print(f"  {dict(answers)} within {time.monotonic() - began:.0f} s; {cable.cuts} of {cable.commits} COMMITs cut, {cable.before} of them at once; "
          f"{rows} rows of {calls} calls, {amount / 1e9:.2f} in the ledger, {spent} by the key")
    wrong.expect(set(answers) == {200}, f"answers: {dict(answers)}")
    wrong.expect(cable.cuts >= min(count, 20), f"only {cable.cuts} were cut")
    wrong.expect(rows == calls == served, f"{rows} rows of {calls} calls for {served} answers")
    wrong.expect(amount == served * 10_000_000, f"{amount} nano-USD for {served} answers")
    wrong.expect(round(spent, 2) == round(served * 0.01, 2), f"the key has spent {spent}")
    return wrong + gateway.verify(address)
