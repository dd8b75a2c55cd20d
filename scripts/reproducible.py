#!/usr/bin/env python3
"""Builds the release twice, each time from a clean copy in a folder of another name, and compares what comes out (P3).

    scripts/reproducible.py

What is committed is built. Names of folders are mapped away; the compiler, the linker and the C compiler are those of this machine.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
CARGO = os.environ.get("CARGO", "cargo")
HOME = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")


def built(folder):
    """Builds what is committed there; the digest of the program."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    when = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    mapped = [f"--remap-path-prefix={folder}=/switchboard", f"--remap-path-prefix={HOME}=/cargo"]
    environment = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "RUSTFLAGS")}
    environment |= {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(mapped), "SOURCE_DATE_EPOCH": when, "CARGO_INCREMENTAL": "0",
                    "CFLAGS": f"-ffile-prefix-map={folder}=/switchboard -ffile-prefix-map={HOME}=/cargo"}
    subprocess.run([CARGO, "build", "--release", "--locked", "-p", "switchboard-server"], cwd=folder, env=environment, check=True)
    return hashlib.sha256((folder / "target/release/switchboard").read_bytes()).hexdigest()


def main():
    with tempfile.TemporaryDirectory(prefix="switchboard-reproducible-") as place:
        digests = [built(pathlib.Path(place) / name) for name in ("one", "another-and-longer")]
    print("\n".join(digests))
    print("1 passed, 0 failed" if len(set(digests)) == 1 else "0 passed, 1 failed")
    return len(set(digests)) - 1


if __name__ == "__main__":
    sys.exit(main())
