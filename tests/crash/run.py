#!/usr/bin/env python3
"""Kills the gateway while it spends money, and looks whether its books still tell the truth.

    tests/crash/run.py [--iterations N] [--failpoints] [--untimed]

Each iteration starts the gateway on the same data directory, sends whole and streamed requests from many clients, ends the process
(`kill -9` at a random time, or at a named failpoint in a debug build), starts it again and compares three books: what the clients
got, what the provider was asked and sent, and what the ledger says.

- every answer that a client has whole is in the ledger once, at its exact price;
- every request that reached the provider is in the ledger; none is there twice;
- what was broken off is settled by estimate, at no less than the prompt and no more than what the provider sent;
- every call in the ledger has a line in the log of requests, of the same amount;
- `switchboard verify` finds nothing; the gateway is ready within a second (told, and with `--untimed` not judged).

Ends with `N passed, N failed`.
"""

import argparse
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from crash.books import PROMPT_TOKENS, Provider, pieces
from harness.gateway import MASTER_KEY, binary

CLIENTS = 12
READY_SECONDS = 1.0
# Nano-dollars a token of the model whose prices the catalog has.
INPUT_NANO, OUTPUT_NANO = 150, 600
# An answer under way is written down this often.
CHECKPOINT = 256
# What may be on its way between provider and gateway when it dies.
ON_ITS_WAY = 20
FAILPOINTS = [
    "before_intent:40", "after_intent:40", "before_settlement:40", "after_settlement:40", "mid_stream:3", "mid_batch:3",
    "after_commit:3", "before_position:3", "during_recovery:1", "during_migration:1",
]
MARKS = itertools.count(1)


def exact(mark):
    """What a whole answer costs."""
    return PROMPT_TOKENS * INPUT_NANO + pieces(mark) * OUTPUT_NANO


class Gateway:
    """The gateway under test: it may be killed and started again."""

    def __init__(self, folder, provider):
        self.folder = pathlib.Path(folder)
        config = {
            "model_list": [{"model_name": "m", "litellm_params": {
                "model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{provider.port}/v1", "api_key": "sk-provider"}}],
            "general_settings": {"master_key": MASTER_KEY},
            "switchboard": {"data_dir": str(self.folder / "data")},
        }
        self.config = self.folder / "config.yaml"
        self.config.write_text(json.dumps(config))  # JSON is YAML
        self.process, self.port = None, None

    @property
    def database(self):
        return self.folder / "data" / "switchboard.db"

    def start(self, failpoint=None):
        """Seconds until it listens; None where it ended before."""
        began = time.monotonic()
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"SWITCHBOARD_FAILPOINT": failpoint} if failpoint else {}
        self.process = subprocess.Popen(
            [str(binary()), "serve", "--config", str(self.config), "--host", "127.0.0.1", "--port", "0", "--workers", "2"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=self.folder)
        said = []
        for line in self.process.stderr:
            said.append(line.decode("utf-8", "replace"))
            found = re.search(r"listening on (?:http://)?[\d.]+:(\d+)", said[-1])
            if found:
                self.port = int(found.group(1))
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return time.monotonic() - began
        self.process.wait()
        if failpoint is None:
            raise RuntimeError("the gateway did not start:\n" + "".join(said[-20:]))
        return None

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def verify(self):
        ran = subprocess.run([str(binary()), "verify", "--database-url", f"sqlite:{self.database}"], capture_output=True, text=True)
        return [] if ran.returncode == 0 else (ran.stdout + ran.stderr).strip().splitlines()


class Clients:
    """Callers who write down what they got."""

    def __init__(self, gateway):
        self.gateway, self.stopping = gateway, threading.Event()
        # By call id: the mark, whether the answer is whole.
        self.got, self.lock = {}, threading.Lock()
        self.threads = [threading.Thread(target=self._call_on) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _call_on(self):
        connection = None
        while not self.stopping.is_set():
            mark, stream = str(next(MARKS)), random.random() < 0.5
            body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": f"mark-{mark}-end"}]})
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
                connection.request("POST", "/v1/chat/completions", body, {
                    "authorization": f"Bearer {MASTER_KEY}", "content-type": "application/json"})
                answer = connection.getresponse()
                call = answer.getheader("x-litellm-call-id")
                if call:
                    self._note(call, mark, False)
                said = answer.read()
                whole = answer.status == 200 and (not stream or b"[DONE]" in said)
                if call:
                    self._note(call, mark, whole)
            except (http.client.HTTPException, OSError, ValueError):
                connection = None
                self.stopping.wait(0.01)

    def _note(self, call, mark, whole):
        with self.lock:
            self.got[call] = (mark, whole)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self.got


class Trial:
    """One data directory, its provider, and what has been found wrong."""

    def __init__(self, folder, timed):
        self.provider = Provider()
        self.gateway, self.timed = Gateway(folder, self.provider), timed
        self.got, self.crashes, self.wrong, self.took = {}, 0, [], 0.0

    def ruin(self, failpoint=None):
        """Starts, calls, kills, starts again, compares, stops."""
        seen_at_start = failpoint and failpoint.split(":")[0] in ("during_recovery", "during_migration")
        ready = self.gateway.start(None if seen_at_start else failpoint)
        if ready is not None:
            clients = Clients(self.gateway)
            if failpoint and not seen_at_start:
                try:
                    self.gateway.process.wait(30)
                except subprocess.TimeoutExpired:
                    self.wrong.append(f"{failpoint} was never passed")
            else:
                time.sleep(random.uniform(0.2, 3))
            self.gateway.kill()
            self.got |= clients.stop()
        self.crashes += 1
        if seen_at_start:
            if failpoint.startswith("during_migration"):
                # A step that has not been taken.
                with sqlite3.connect(self.gateway.database) as database:
                    database.execute("DROP TABLE gateways")
                    database.execute("DROP TABLE ledger_leases")
                    database.execute("DELETE FROM schema_versions WHERE version = 11")
                database.close()
            if self.gateway.start(failpoint) is not None:
                self.wrong.append(f"{failpoint} was never passed")
                self.gateway.kill()
        self.took = self.gateway.start()
        if self.timed and self.took > READY_SECONDS:
            self.wrong.append(f"ready only after {self.took:.2f} s")
        self.compare()
        self.gateway.stop()

    def compare(self):
        database = sqlite3.connect(f"file:{self.gateway.database}?mode=ro", uri=True)
        rows = database.execute("SELECT call, amount, estimated FROM ledger").fetchall()
        lines = dict(database.execute("SELECT request_id, spend FROM spend_logs"))
        database.close()
        ledger = {}
        for call, amount, estimated in rows:
            if call in ledger:
                self.wrong.append(f"call {call} is in the ledger twice")
            ledger[call] = (amount, estimated)
            if lines.get(call) != amount:
                self.wrong.append(f"call {call} is in the ledger at {amount} and in the log at {lines.get(call)}")
        if len(rows) < self.provider.asked:
            self.wrong.append(f"the provider was asked {self.provider.asked} times, and the ledger has {len(rows)} rows")
        if len(rows) > self.provider.asked + self.crashes * CLIENTS:
            self.wrong.append(f"the provider was asked only {self.provider.asked} times, and the ledger has {len(rows)} rows")
        for call, (mark, whole) in self.got.items():
            found = ledger.get(call)
            if found is None:
                self.wrong.append(f"call {call} is lost")
            elif whole and found != (exact(mark), 0):
                self.wrong.append(f"call {call} was answered whole and is in the ledger at {found[0]} (estimated: {found[1]}), not {exact(mark)}")
            elif not whole and found != (exact(mark), 0):
                # Of the prompt only its length in bytes is known.
                sent = self.provider.sent.get(mark, 0)
                least, most = max(0, sent - CHECKPOINT - ON_ITS_WAY) * OUTPUT_NANO, 100 * INPUT_NANO + (sent + 2) * OUTPUT_NANO
                if not least < found[0] <= most:
                    self.wrong.append(f"call {call} was broken off and is in the ledger at {found[0]}, not between {least} and {most}")
        self.wrong += self.gateway.verify()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--failpoints", action="store_true")
    parser.add_argument("--untimed", action="store_true", help="tell how long the gateway took to be ready, and do not judge it")
    chosen = parser.parse_args()
    rounds = [None] * chosen.iterations + (FAILPOINTS if chosen.failpoints else [])
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="switchboard-crash-") as folder:
        trial = Trial(folder, not chosen.untimed)
        for at, failpoint in enumerate(rounds):
            trial.wrong.clear()
            trial.ruin(failpoint)
            name = failpoint or "kill -9"
            whole = sum(1 for _mark, whole in trial.got.values() if whole)
            said = f"{at + 1}/{len(rounds)} {name}: {trial.provider.asked} asked, {whole} whole, {len(trial.got) - whole} broken off; ready after {trial.took:.2f} s"
            print(said + "".join(f"\n  WRONG: {wrong}" for wrong in trial.wrong[:10]), flush=True)
            failed, passed = failed + bool(trial.wrong), passed + (not trial.wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
