#!/usr/bin/env python3
"""The figures over HTTP, each a command, on a gateway of its own.

    tests/crash/figures.py [NAME …] [--count N] [--untimed]

Money (`money.py`)
- m1: 1,000 requests of $0.01 at once on $1.00: exactly 100 are answered, the ledger has $1.00 (SQLite);
- m2: the same over four gateways on PostgreSQL (`TEST_DATABASE_URL`), 250 at each;
- m5: SIGTERM while 200 streams are under way: every answer whole and in the ledger at its price, the gateway ends with 0;
- m8: 500 clients leave at random points: the provider is left within 250 ms (99 of 100), and each has a row in the ledger.

What stays behind (`neutral.py`)
- m3: after 5,000 requests, of which every tenth is left and every twentieth fails, nothing is held: the rest of a budget can be spent to
  the cent;
- m6: 1,000 requests with one and the same `x-request-id`, and a journal that is carried twice: a row each, and each paid once;
- m6-commits (`commits.py`): PostgreSQL does what it is told and the answer is lost, 500 times between a COMMIT and its answer: the same;
- m11: windows of two seconds at three gateways, one of which is killed at a boundary: in none is more admitted than fits;
- m14: 200 refusals of each of nine kinds change no counter;
- m15: after a mixture as in m3 every place is free, by the gateway's own numbers and by `switchboard verify --gateway`.

Limits (`limits.py`)
- m12: 1,000 requests at once on a limit of 100: 100 are answered, at one gateway and at three with a Redis between them;
- m13: tokens, for three minutes (`--count` seconds): never more than the limit, and 97 % of it.

Outages (`outages.py`)
- d1: Redis is frozen at 500 requests a second: nothing hangs or fails, limits hold, shared again within 2 s;
- d2: PostgreSQL is away for 60 s (`--count`): who is known is served, nobody is told 401, nothing that was spent is lost;
- d3: PostgreSQL has no connection to give: 503 with `Retry-After`, never 401;
- d4: a gateway starts while its database is away, and manages keys within 5 s of its return; nobody is told that a key is wrong;
- d5: everything that is known of keys is forgotten under load, again and again: every call is answered, none refused.

Clients (`clients.py`, `floods.py`, `parsers.py`)
- c1, c2: 5,000 slow heads, 2,000 slow bodies: closed within 15 s and 25 s, and nobody else feels it;
- c3: 2,000 readers who take a byte a second: cut after a minute, what each costs, each in the ledger;
- c4: 100 bodies of a GiB at once, of which 40 MiB may be held: refused, at no more than 64 MiB of memory;
- c7: floods of frames over HTTP/2, and windows of nothing: what they cost ends with them, and others are served meanwhile;
- c8: 10,000 connections that idle: at most 10 KiB each, and nobody else feels them;
- c10: 2,000 bodies that readers may read differently: what is forwarded all of them read alike.

Providers (`providers.py`)
- u7: 100,000 requests to a provider that closes idle connections after 1 to 50 ms: none fails;
- u10: 100,000 answers with nonces, every tenth client leaves: none is another's;
- u12: answers that are bombs, giants, endless, in OpenAI's, Anthropic's, Google's and Amazon's formats: cut, with at most 32 MiB more memory, and another model answers;
- u13: 10,000 requests of one tenant that fail by its own fault: nothing is ejected, the other one feels nothing.

Resources (`resources.py`)
- r1: streams of an event a second, all at once, 2,000 unless `--count` says more: none breaks off, what each costs;
- r2: twice what a provider takes: as much is served as before, the rest refused at once with `Retry-After`, health and administrators are
  answered;
- r3: three times the memory there may be (256 MiB): nothing is killed or broken off, idle connections, large bodies and calls are given up
  in this order;
- r4: a mixture for ten minutes (`--count` seconds): how memory grows in an hour, descriptors come back;
- r5: 50,000 requests (`--count`) to a provider that is well: all are answered (ten million are quicker by `switchboard-bench storm
  --requests 10000000 --seconds 9000`, which looks at every answer);
- r6: a tenant at twenty times its limit: the other one feels nothing;
- r7: a panic in each of 27 places (`panics.py`): the process lives, nobody else feels it, places and money come back;
- r8: 512 descriptors are all there are: no spinning, serving again within a second; who is connected is served meanwhile;
- l1: ten successors (`--count`) take the port under load (`serve --takeover`): nobody refused, no stream cut.

Shown elsewhere: R9: `bench/keys.py --keys 10000` for the start and memory with keys, `switchboard-bench measure --only
start,memory` without. R1 and R2 against a bare proxy: `switchboard-bench measure --only memory-streams,latency-2000`. L5: `cargo bench -p switchboard-store --bench recover`. D6, L2, L3,
L4, L6:
`cargo test -p switchboard-server --test it -- edge::stopping endings rolling documents outages`, and l3 below.

Attacks and mistakes (`hostile.py`, `starting.py`)
- c14: deployments that lead back to the gateway: 508 after three hops;
- x2: 250 texts that would be statements in every parameter, path, body and header, with PostgreSQL's log of statements;
- x6 (`paths.py`): 155 texts that lead elsewhere as paths, likewise: providers' paths and files are what they were;
- s2: raw bytes of databases, logs, dumps and backups hold no secret and no prompt;
- a7 (`secrets.py`): five kinds of wrong keys, 100,000 answers to each: Welch's t of their times is below 4.5;
- s7 (`secrets.py`): nobody of its user reads the gateway's memory, nothing is dumped, and what requests had in them does not stay;
- a11: more than thirty set-ups that are not safe or not possible: none starts;
- l3: 1,000 configurations with something wrong, loaded under load: nothing ends, what is bad changes nothing.

Without a name all of them run. Ends with `N passed, N failed`.
"""

import argparse
import asyncio
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from crash import clients, commits, floods, hostile, limits, money, neutral, outages, panics, parsers, paths, providers, resources, secrets, starting

FIGURES = {
    "m1": money.m1, "m2": money.m2, "m5": money.m5, "m8": money.m8, "m3": neutral.m3, "m6": neutral.m6, "m6-commits": commits.m6_commits, "m11": neutral.m11, "m14": neutral.m14, "m15": neutral.m15,
    "m12": limits.m12, "m13": limits.m13,
    "d1": outages.d1, "d2": outages.d2, "d3": outages.d3, "d4": outages.d4, "d5": outages.d5,
    "c1": clients.c1, "c2": clients.c2, "c3": clients.c3, "c4": floods.c4, "c7": floods.c7, "c8": clients.c8, "c10": parsers.c10, "c14": hostile.c14, "s2": hostile.s2, "x2": hostile.x2, "x6": paths.x6,
    "a7": secrets.a7, "s7": secrets.s7,
    "a11": starting.a11, "l3": starting.l3,
    "r1": resources.r1, "r2": resources.r2, "r3": resources.r3, "r4": resources.r4, "r5": resources.r5, "r6": resources.r6, "r7": panics.r7, "r8": resources.r8, "l1": resources.l1,
    "u7": providers.u7, "u10": providers.u10, "u12": providers.u12, "u13": providers.u13,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(FIGURES))
    parser.add_argument("--count", type=int)
    parser.add_argument("--untimed", action="store_true", help="tell how long things took, and do not judge it")
    chosen = parser.parse_args()
    unknown = set(chosen.figures) - set(FIGURES)
    if unknown:
        parser.error(f"there is no figure {', '.join(sorted(unknown))}")
    passed = failed = 0
    for name in chosen.figures or FIGURES:
        with tempfile.TemporaryDirectory(prefix="switchboard-figure-") as folder:
            print(name, flush=True)
            wrong = asyncio.run(FIGURES[name](folder, chosen.count, not chosen.untimed))
        for what in wrong[:10]:
            print(f"  WRONG: {what}", flush=True)
        failed, passed = failed + bool(wrong), passed + (not wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
