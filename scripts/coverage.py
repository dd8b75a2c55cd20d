#!/usr/bin/env python3
"""Runs tests of Rust and tells, folder by folder, how much of the code they reach (P9).

    scripts/coverage.py [--below FOLDER …] [ARGUMENT …]

Further arguments are `cargo test`'s: `-p switchboard-store`, `-- money`. Only the crates of this repository are compiled anew. LLVM's tools
must be of the compiler's version: `rustup component add llvm-tools`, or `LLVM_TOOLS` names a folder with `llvm-cov` and `llvm-profdata`.
Tests within a file count as lines of it.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CARGO = os.environ.get("CARGO", "cargo")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
KINDS = ("lines", "regions", "functions")


def tools():
    """The folder of LLVM's tools."""
    named = os.environ.get("LLVM_TOOLS")
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    folders = [pathlib.Path(named)] if named else pathlib.Path(sysroot).glob("lib/rustlib/*/bin")
    found = [folder for folder in folders if (folder / "llvm-cov").exists()]
    return found[0] if found else sys.exit("LLVM's tools are not there: `rustup component add llvm-tools`")


def built(arguments, environment):
    """Builds the tests; every program that holds code of ours."""
    options = arguments[:arguments.index("--")] if "--" in arguments else arguments
    command = [CARGO, "test", "--locked", "--no-run", "--message-format", "json-render-diagnostics", *options]
    ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit("the tests do not build")
    messages = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return sorted({message["executable"] for message in messages if message.get("executable")})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--below", action="append", default=[], help="shows the files of that folder one by one")
    chosen, arguments = parser.parse_known_args()
    arguments, folder, llvm = arguments or ["--workspace"], TARGET / "coverage", tools()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = os.environ | {"RUSTC_WORKSPACE_WRAPPER": str(ROOT / "scripts" / "covered.sh"), "LLVM_PROFILE_FILE": str(folder / "%8m.profraw")}
    programs = built(arguments, environment)
    ran = subprocess.run([CARGO, "test", "--locked", "--no-fail-fast", *arguments], cwd=ROOT, env=environment)
    profile = folder / "all.profdata"
    subprocess.run([llvm / "llvm-profdata", "merge", "-sparse", "-o", profile, *folder.glob("*.profraw")], check=True)
    objects = [part for program in programs for part in ("-object", program)]
    export = [llvm / "llvm-cov", "export", "-summary-only", "-instr-profile", profile, "-ignore-filename-regex", "/(registry|rustc|tests)/", *objects]
    said = json.loads(subprocess.run(export, check=True, stdout=subprocess.PIPE).stdout)
    sums = collections.defaultdict(lambda: collections.Counter())
    for file in said["data"][0]["files"]:
        path = pathlib.Path(file["filename"])
        path = path.relative_to(ROOT) if path.is_absolute() else path
        # crates/engine/src/admit/hold.rs counts for the crate, the folder, the module, and for all.
        parts = path.parts
        names = {"all", "/".join(parts[:2]), "/".join(parts[:4]).removesuffix(".rs")}
        names |= {str(path) for below in chosen.below if str(path).startswith(below)}
        for name in names:
            for kind in KINDS:
                sums[name][kind, "count"] += file["summary"][kind]["count"]
                sums[name][kind, "covered"] += file["summary"][kind]["covered"]
    print(f"{'':60}" + "".join(f"{kind:>18}" for kind in KINDS))
    for name, sum_ in sorted(sums.items()):
        shares = [f"{100 * sum_[kind, 'covered'] / max(1, sum_[kind, 'count']):6.1f} % of {sum_[kind, 'count']:>6}" for kind in KINDS]
        print(f"{name:60}" + "".join(f"{share:>18}" for share in shares))
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
