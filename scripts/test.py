#!/usr/bin/env python3
"""Runs every test there is and ends with one line: `N passed, N failed, N skipped`.

Parts: lints, Rust's own tests, real clients in Python and Node.js, the API against its own document, crashes, recorded traffic. PostgreSQL and Redis are started for them, and what
the clients need is installed into `.local/`, with the versions pinned beside the suites, while Rust builds. A part that cannot run here is skipped, each test by
name with the reason. Everything stays on loopback and on free ports, and whatever a part starts it stops by its id.

    scripts/test.py [PART …]      PARTS: lint rust python litellm node contract crash replay
"""

import concurrent.futures
import os
import pathlib
import signal
import sys
import time

import commands
import install
import services
import suites

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Of what failed, so many lines are told again at the end, and so much of each.
SHOWN, WIDE = 10, 160


def main():
    chosen = sys.argv[1:] or list(suites.PARTS)
    unknown = [name for name in chosen if name not in suites.PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(suites.PARTS)}")
    os.chdir(ROOT)
    # Whoever ends this ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, tallies = time.monotonic(), {}
    with services.running() as started, concurrent.futures.ThreadPoolExecutor(1) as installer:
        os.environ.update(started.environment)
        # One after the other, in the background: they wait for the network while Rust keeps the processors busy.
        installed = {name: installer.submit(install.NEEDS[name]) for name in chosen if name in install.NEEDS}
        for name in chosen:
            start = time.monotonic()
            heading(name)
            tallies[name] = suites.PARTS[name](installed[name].result() if name in installed else None)
            print(f"--- {name}: {tallies[name]} in {time.monotonic() - start:.0f} s", flush=True)
            if name == "rust":
                tallies[name] += suites.without_services(started.missing)
    heading("summary")
    for name, tally in tallies.items():
        print(f"{name:8} {tally}")
    total = sum(tallies.values(), suites.Tally())
    for line in commands.failures[:SHOWN]:
        print(f"  {line[:WIDE]}")
    print(f"{time.monotonic() - began:.0f} s")
    print(total)
    return 1 if total.failed else 0


def heading(text):
    print(f"\n=== {text} ===", flush=True)


if __name__ == "__main__":
    sys.exit(main())
