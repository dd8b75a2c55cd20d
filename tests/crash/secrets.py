"""A7, S7: what time tells of wrong keys, and what can be read of the process."""

import asyncio
import math
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import time

from crash.stage import CENT, Found, Gateway, Line, Provider, asked, binary, chat

# Welch's t from which on two distributions are told apart, as in dudect.
APART = 4.5
NOBODY = 65534


def altered(key):
    """A key with one letter of its secret changed."""
    return key[:20] + ("B" if key[20] == "A" else "A") + key[21:]


def welch(one, other):
    """Student's t of two samples of different spread."""
    means = [sum(sample) / len(sample) for sample in (one, other)]
    spreads = [sum((value - mean) ** 2 for value in sample) / (len(sample) - 1) / len(sample) for sample, mean in zip((one, other), means)]
    return (means[0] - means[1]) / math.sqrt(sum(spreads) or 1)


def cropped(samples, share):
    """The same without what is slower than that share of all: what the machine did meanwhile."""
    limit = sorted(value for sample in samples.values() for value in sample)
    limit = limit[min(len(limit) - 1, int(len(limit) * share))]
    return {name: [value for value in sample if value <= limit] for name, sample in samples.items()}


def timed_answers(port, keys, count):
    """So many answers to each kind of key, in random order over one connection: how long each took, and what was said."""
    chance, took, said = random.Random(7), {kind: [] for kind in keys}, {}
    heads = {kind: [f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode() for key in several] for kind, several in keys.items()}
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(head):
            began = time.perf_counter_ns()
            line.sendall(head)
            text = b""
            while True:
                piece = line.recv(65536)
                if not piece:
                    raise ConnectionError(f"it was closed after {text[:200]!r}")
                text += piece
                begun, _, rest = text.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", begun)
                if length and len(rest) >= int(length.group(1)):
                    return time.perf_counter_ns() - began, begun.split(b" ")[1].decode(), rest

        for several in heads.values():
            for head in several * 50:
                ask(head)
        order = list(heads)
        for at in range(count):
            chance.shuffle(order)
            for kind in order:
                nanoseconds, status, rest = ask(heads[kind][at % len(heads[kind])])
                took[kind].append(nanoseconds)
                said.setdefault(kind, set()).add((status, len(rest)))
    return took, said


async def a7(folder, count, timed):
    """Five kinds of wrong keys, 100,000 answers (`count`) to each, in turn: no kind of key that nobody has is slower than another. Of
    keys that have ended or are blocked their holder is told so; that time is shown beside, and judged as little as the words are."""
    wrong, count = Found(), count or 100_000
    gateway = await asyncio.to_thread(Gateway, folder, [CENT], workers=1)
    try:
        made = [(await asked(gateway.port, "POST", "/key/generate", {}))["key"] for _ in range(8)]
        ended = [(await asked(gateway.port, "POST", "/key/generate", {"duration": "1s"}))["key"] for _ in range(2)]
        unknown, deleted, good, blocked = made[:2], made[2:4], made[4:6], made[6:]
        await asked(gateway.port, "POST", "/key/delete", {"keys": unknown + deleted})
        for key in blocked:
            await asked(gateway.port, "POST", "/key/block", {"key": key})
        await asyncio.sleep(1.2)
        keys = {"altered": [altered(key) for key in good], "deleted": deleted, "unknown": [altered(altered(key)[:-1] + "B") for key in unknown],
                "of others' making": ["sk-" + "x" * (len(good[0]) - 4) + end for end in "ab"], "expired": ended, "blocked": blocked}
        took, said = await asyncio.to_thread(timed_answers, gateway.port, keys, count)
        alike = ["altered", "deleted", "unknown", "of others' making"]
        wrong.expect(len({str(sorted(said[kind])) for kind in alike}) == 1 and all(status == "401" for kinds in said.values() for status, _ in kinds),
                     f"answers differ: {said}")
        for share in (1.0, 0.99, 0.9):
            kept = cropped(took, share)
            ts = {f"{one}/{other}": welch(kept[one], kept[other]) for at, one in enumerate(alike) for other in alike[at + 1:]}
            print(f"  the fastest {share:.0%}: " + ", ".join(f"{pair} t = {t:+.2f}" for pair, t in ts.items()))
            print("    means in µs: " + ", ".join(f"{kind} {sum(kept[kind]) / len(kept[kind]) / 1000:.2f}" for kind in keys))
            if timed:
                for pair, t in ts.items():
                    wrong.expect(abs(t) < APART, f"of the fastest {share:.0%} {pair} has t = {t:+.2f}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong


def readable(process, user):
    """Whether a stranger to the process, of the same user, can read its memory."""
    return subprocess.run(["sh", "-c", f"exec 3< /proc/{process}/mem"], user=user, stderr=subprocess.DEVNULL).returncode == 0


def memory(process):
    """Everything the process may write to, for who may read it."""
    found = []
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as bytes_:
        for line in maps:
            place, rights = line.split()[:2]
            if rights.startswith("rw") and "[vvar" not in line:
                start, end = (int(part, 16) for part in place.split("-"))
                bytes_.seek(start)
                try:
                    found.append(bytes_.read(end - start))
                except OSError:
                    continue
    return found


async def s7(folder, count, timed):
    """The memory of the gateway: nobody but root reads it, nothing is dumped, and what 2,000 requests (`count`) had in them is not there
    any more."""
    wrong, count, folder = Found(), count or 2000, pathlib.Path(folder)
    user = NOBODY if os.geteuid() == 0 else None
    provider, place = await Provider(pieces=1, pause=0.0).start(), folder / "gateway"
    place.mkdir()
    if user:
        for each in (folder, place):
            os.chown(each, user, user)
        # Where it was built may be root's.
        os.environ["SWITCHBOARD_BIN"] = str(shutil.copy2(binary(), folder / "switchboard"))
    gateway = await asyncio.to_thread(Gateway, place, [provider.model()], user=user)
    try:
        process = gateway.process.pid
        with subprocess.Popen(["sleep", "60"], user=user) as control:
            shown = readable(control.pid, user)
            control.kill()
        print(f"  another process of the same user reads the memory of `sleep`: {shown}; of the gateway: {readable(process, user)}")
        wrong.expect(not readable(process, user), "its memory can be read")
        if shutil.which("gcore"):
            ran = subprocess.run(["gcore", "-o", str(folder / "core"), str(process)], user=user, capture_output=True, text=True)
            wrong.expect(ran.returncode != 0 and not list(folder.glob("core*")), f"gcore: {ran.stdout[-200:]}")
        key, line = (await asked(gateway.port, "POST", "/key/generate", {}))["key"], Line(gateway.port)
        for at in range(count):
            status, said = await line.ask("POST", "/v1/chat/completions", chat("m", f"mark-{at}-end private-{at}-words"), key)
            wrong.expect(status == 200, f"{status} {said[:200]}")
        line.close()
        await asyncio.sleep(2)
        if user:
            found = memory(process)
            seen = {what: sum(part.count(text) for part in found) for what, text in
                    {"the provider's key": b"sk-provider", "the client's key": key.encode(), "prompts": b"private-"}.items()}
            print(f"  {sum(map(len, found)) >> 20} MiB after {count} requests: {seen}")
            wrong.expect(max(seen["the client's key"], seen["prompts"]) <= 32, f"after {count} requests there are {seen}")
    finally:
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
