"""Starts the gateway under test on a free port of the loopback interface and stops it again."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
MASTER_KEY = "sk-tests-master-key"
START_SECONDS = 60


class Missing(Exception):
    """Something these tests need is not there; its text says what."""


def binary():
    """The gateway to test: `SWITCHBOARD_BIN`, else the newest build in the target folder."""
    named = os.environ.get("SWITCHBOARD_BIN")
    if named:
        path = pathlib.Path(named).resolve()
        if not path.is_file():
            raise Missing(f"SWITCHBOARD_BIN names {named}, which is no file")
        return path
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    built = [path for profile in ("release", "debug") if (path := target / profile / "switchboard").is_file()]
    if not built:
        raise Missing("no gateway is built: run `cargo build -p switchboard-server`, or set SWITCHBOARD_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


class Gateway:
    """A running gateway. `url` is its address without a path."""

    def __init__(self, config, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="switchboard-test-")
        config = dict(config)
        config["general_settings"] = {"master_key": MASTER_KEY} | config.get("general_settings", {})
        path = pathlib.Path(self.folder.name) / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "RUST_LOG", "RUST_BACKTRACE") if name in os.environ}
        # What it remembers is its own, and goes with it.
        inherited["SWITCHBOARD_DATA_DIR"] = str(pathlib.Path(self.folder.name) / "data")
        self.log = open(pathlib.Path(self.folder.name) / "requests.log", "wb")
        self.process = subprocess.Popen(
            [str(binary()), "serve", "--config", str(path), "--host", "127.0.0.1", "--port", "0"],
            stdout=self.log, stderr=subprocess.PIPE, env=inherited | (environment or {}), cwd=self.folder.name,
        )
        self.lines, self.listening = [], threading.Event()
        self.url = None
        threading.Thread(target=self._listen, daemon=True).start()
        if not self.listening.wait(START_SECONDS) or self.url is None:
            said = "\n".join(self.lines[-20:])
            self.stop()
            raise RuntimeError(f"the gateway did not start:\n{said}")

    def _listen(self):
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            self.lines.append(text)
            found = re.search(r"listening on (?:http://)?([\d.]+:\d+)", text)
            if found and not self.url:
                self.url = f"http://{found.group(1)}"
                self.listening.set()
        self.listening.set()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def stop(self):
        """Asks it to end, then makes it."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
