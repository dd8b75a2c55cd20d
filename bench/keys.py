#!/usr/bin/env python3
"""A hundred thousand keys: how long a gateway takes to start, what it holds in memory, and whether looking one up takes longer.

    bench/keys.py [--keys 100000]

Keys are put into the gateway's own database, each with what it has spent this month. Goals: start below 1 s, memory below 150 MiB,
the look-up as without them. `SWITCHBOARD_BIN` names the gateway, else the newest build is taken.
"""

import argparse
import asyncio
import hashlib
import json
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
from crash.stage import CENT, Gateway, ask, asked, chat

START_SECONDS, MEMORY_MIB = 1.0, 150


def account(level, name):
    """The ledger's number of an account, as the gateway makes it."""
    digest = hashlib.sha256(b"".join(part.encode() + b"\0" for part in (level, name, ""))).digest()
    return int.from_bytes(digest[:8], "big") & (2**63 - 1)


def fill(path, count):
    """That many keys, made of the one that is there, each with spend."""
    database = sqlite3.connect(path)
    document = json.loads(database.execute("SELECT document FROM objects WHERE kind = 'key' LIMIT 1").fetchone()[0])
    now = int(time.time() * 1e6)
    month = time.strftime("%Y-%m-01", time.gmtime())
    start = int(time.mktime(time.strptime(month + " UTC", "%Y-%m-%d %Z")) - time.timezone) * 10**6
    keys, accounts, windows = [], [], []
    for at in range(count):
        token = hashlib.sha256(f"key {at}".encode()).hexdigest()
        said = json.dumps(document | {"token": token, "key_alias": f"key-{at}", "team_id": f"team-{at % 500}"})
        keys.append(("key", token, f"key-{at}", f"team-{at % 500}", now, now, 1, said))
        number = account("api_key", token)
        accounts.append((number, "api_key", token, ""))
        windows += [(number, "lifetime", 0, 5_000_000, 0), (number, "monthly", start, 1_000_000, 0)]
    with database:
        database.executemany(
            "INSERT INTO objects (kind, id, name, team_id, created_at, updated_at, form, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", keys)
        database.executemany("INSERT INTO ledger_accounts (id, level, name, model) VALUES (?, ?, ?, ?)", accounts)
        database.executemany("INSERT INTO ledger_windows (account, span, start, spent, leased) VALUES (?, ?, ?, ?, ?)", windows)
    database.close()


def memory(gateway):
    for line in pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None


async def lookups(gateway, keys):
    """The first call of each key, which is looked up, and a second, which is not."""
    first, second = [], []
    for key in keys:
        for times in (first, second):
            began = time.perf_counter()
            status, _headers, text = await ask(gateway.port, "POST", "/v1/chat/completions", chat("cent"), key)
            if status != 200:
                raise RuntimeError(f"{status} {text[:200]}")
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(first), statistics.median(second)


async def measured(folder):
    began = time.perf_counter()
    gateway = Gateway(folder, [CENT])
    took = time.perf_counter() - began
    made = [(await asked(gateway.port, "POST", "/key/generate", {"max_budget": 100}))["key"] for _ in range(50)]
    # What was made just now may be known: whoever is forgotten is looked up.
    await asked(gateway.port, "POST", "/budget/new", {"max_budget": 1})
    first, second = await lookups(gateway, made)
    held = memory(gateway)
    gateway.stop()
    return took, held, first, second


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchboard-keys-") as folder:
        empty = asyncio.run(measured(folder))
        fill(pathlib.Path(folder) / "data" / "switchboard.db", chosen.keys)
        full = asyncio.run(measured(folder))
    for name, (took, held, first, second) in (("50 keys", empty), (f"{chosen.keys} keys", full)):
        print(f"{name}: start {took:.2f} s, {held:.0f} MiB, first call of a key {first:.2f} ms, next {second:.2f} ms")
    good = full[0] < START_SECONDS and full[1] < MEMORY_MIB
    print(f"goals: start < {START_SECONDS} s, memory < {MEMORY_MIB} MiB: {'reached' if good else 'NOT reached'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
