"""Runs a command and shows what it says. One that hangs is ended, and what it was at is told."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from install import ROOT

# A line by which a part tells of something that failed.
FAILURE = re.compile(r"test .* FAILED$|FAILED |ERROR |error(\[E\d+\])?: |not ok |\s*WRONG: |HANGS: ")
# What the parts told of their failures, for the end.
failures = []
# What says nothing for so many seconds hangs: it is ended, so that the rest is tested and told of all the same.
SILENCE = 600


def shown(command, **more):
    """Runs a command, shows what it says as it says it, and returns its status and text."""
    print(f"$ {' '.join(map(str, command))}", flush=True)
    said, heard, over = [], [time.monotonic()], threading.Event()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT,
                               process_group=0, **more)

    def tell(line):
        said.append(line)
        failures.extend([line.strip()] if FAILURE.match(line) else [])
        print(line, end="", flush=True)

    def watch():
        while not over.wait(5):
            if time.monotonic() - heard[0] > SILENCE:
                tell(f"HANGS: {', '.join(unended(said)) or 'no name is known'}, silent for {SILENCE} s\n")
                end(process)
                heard[0] = time.monotonic()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        for line in process.stdout:
            heard[0] = time.monotonic()
            tell(line)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        raise
    finally:
        over.set()
        status = process.wait()
    return status, "".join(said)


def unended(said):
    """Rust's tests that were told to run for long, and of whose end nothing was told."""
    running = {}
    for line in said:
        found = re.match(r"test (\S+) (?:\.\.\. (?:ok|FAILED|ignored)|(has been running))", line)
        if found and found.group(2):
            running[found.group(1)] = None
        elif found:
            running.pop(found.group(1), None)
    return list(running)


def end(process):
    """Ends what a command has started, so that it goes on with the next; where there is nothing of that, all that is left of it."""
    started = []
    # A thread may be gone by the time it is asked.
    with contextlib.suppress(OSError):
        for thread in pathlib.Path(f"/proc/{process.pid}/task").glob("*/children"):
            started += map(int, thread.read_text().split())
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    if not started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
