#!/usr/bin/env python3
"""Writes `crates/server/layout.ld`: the functions that calls and a start go through, for the linker to put side by side.

    bench/layout.py GATEWAY

GATEWAY is the released program with its symbols and without a layout; `make layout` builds it. Needs valgrind. See docs/decisions/0027-functions-in-order.md.
"""

import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
LAYOUT = ROOT / "crates/server/layout.ld"
STORM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/switchboard-bench"
KEY = "sk-layout-0123456789abcdef0123456789"
PRICES = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
HEAD = "/* Written by bench/layout.py (make layout). What is no longer called so is passed over; see docs/decisions/0027-functions-in-order.md. */\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(upstream):
    """Two models, of either of the formats that most calls are in."""
    models = {"mock": ("openai/mock", f"http://127.0.0.1:{upstream}/v1"), "claude": ("anthropic/mock", f"http://127.0.0.1:{upstream}")}
    # JSON is YAML too.
    return json.dumps({
        "model_list": [
            {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "sk-mock"}, "model_info": PRICES}
            for name, (model, base) in models.items()
        ],
        "general_settings": {"master_key": KEY},
    })


def until_alive(port):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the gateway does not answer")


def calls(port):
    """Calls in both formats to models of both, whole and as streams."""
    for model, form, stream in itertools.product(("mock", "claude"), ("openai", "anthropic"), ([], ["--stream"])):
        subprocess.run([STORM, "storm", "--target", f"127.0.0.1:{port}", "--connections", "8", "--requests", "150", "--model", model,
                        "--expect", "mock", "--format", form, "--key", KEY, *stream], check=True, stdout=subprocess.DEVNULL)


def recorded(gateway, folder):
    """What valgrind saw: of the start, and of the calls."""
    upstream, port = free_port(), free_port()
    (folder / "config.yaml").write_text(configuration(upstream))
    mock = subprocess.Popen([STORM, "mockup", "--port", str(upstream)], stdout=subprocess.DEVNULL)
    seen = folder / "seen"
    command = ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={seen}", gateway, "serve", "--config", "config.yaml",
               "--port", str(port), "--workers", "1"]
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    watched = subprocess.Popen(command, cwd=folder, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def control(what):
        subprocess.run(["callgrind_control", what, str(watched.pid)], check=True, stdout=subprocess.DEVNULL)
        time.sleep(2)

    try:
        until_alive(port)
        # What is done once a second, too.
        time.sleep(5)
        control("--dump")
        control("--zero")
        calls(port)
        time.sleep(2)
        control("--dump")
    finally:
        for process in (watched, mock):
            process.terminate()
            process.wait()
    return functions(folder / "seen.1", gateway), functions(folder / "seen.2", gateway)


def functions(seen, gateway):
    """The functions of the gateway that were gone through, by the names the compiler gave them."""
    names, files, found, ours = {}, {}, set(), False
    for line in seen.read_text(errors="replace").splitlines():
        said = re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?$", line)
        if not said:
            continue
        called, kind, number, name = said.groups()
        known = names if kind == "fn" else files
        if name:
            known[number] = name
        if called:
            continue
        if kind == "ob":
            ours = pathlib.Path(known[number]).name == pathlib.Path(gateway).name
        elif ours:
            # What follows a point, or the mark of a function that calls itself, is no part of the name.
            found.add(re.split(r"'\d+$|\.(?:llvm|cold|part|constprop|isra)\b", known[number])[0])
    return {name for name in found if re.fullmatch(r"[\w.$]+", name)}


def section(name, functions):
    """Names of Rust's functions may go on in a way that changes with each build."""
    lines = "".join(f"    .text.{function}{'*' if function.startswith('_') else ''}\n" for function in sorted(functions))
    return f"  .text.{name} : {{ *(\n{lines}  ) }}\n"


def main():
    with tempfile.TemporaryDirectory() as folder:
        start, called = recorded(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(folder))
    if min(len(called), len(start)) < 1000:
        sys.exit(f"{len(called)} functions of calls and {len(start)} of a start cannot be all: has the program symbols, and no layout yet?")
    LAYOUT.write_text(f"{HEAD}SECTIONS {{\n{section('calls', called)}{section('start', start - called)}}} INSERT BEFORE .text;\n")
    print(f"{len(called)} functions of calls and {len(start - called)} more of a start")


main()
