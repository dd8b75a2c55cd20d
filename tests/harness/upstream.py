"""Starts the replay upstream: recorded answers of real providers, served on loopback."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.request

from .gateway import ROOT, Missing

START_SECONDS = 60


def corpus_folder():
    """Where the recorded traffic lies: `SWITCHBOARD_CONFORMANCE`, else `../shared/conformance` beside the checkout."""
    named = os.environ.get("SWITCHBOARD_CONFORMANCE")
    folder = pathlib.Path(named) if named else ROOT.parent / "shared" / "conformance"
    if not (folder / "corpus.jsonl").is_file():
        raise Missing(f"no recorded traffic at {folder}")
    return folder


def read_lines(name):
    """The rows of a file of the corpus, by id."""
    with open(corpus_folder() / name, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return {row["id"]: row for row in rows}


class Upstream:
    """A running replay server. `url` is its address without a path."""

    def __init__(self):
        folder = corpus_folder()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(folder / "replay_server.py"), str(folder / "corpus.jsonl")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        self.url = None
        ready = threading.Event()

        def listen():
            for line in self.process.stdout:
                if line.startswith("listening on "):
                    self.url = line.split()[2]
                    ready.set()
            ready.set()

        threading.Thread(target=listen, daemon=True).start()
        if not ready.wait(START_SECONDS) or self.url is None:
            self.stop()
            raise RuntimeError("the replay server did not start")

    def log(self):
        """What was asked since the log was last cleared."""
        with urllib.request.urlopen(f"{self.url}/__replay/log", timeout=30) as answer:
            return json.load(answer)

    def clear(self):
        """Forgets what was asked."""
        request = urllib.request.Request(f"{self.url}/__replay/log", method="DELETE")
        urllib.request.urlopen(request, timeout=30).read()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
