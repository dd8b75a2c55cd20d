"""The parts of `make test`: each runs something, shows its output and returns how many tests passed, failed and were skipped."""

import dataclasses
import os
import pathlib
import re
import shutil
import sys

from commands import shown
from install import CONTRACT, NODE_SUITE, PYTHON_SUITE, ROOT

CARGO = os.environ.get("CARGO", "cargo")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


@dataclasses.dataclass
class Tally:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def one(status):
    """A part that is a single check."""
    return Tally(passed=1) if status == 0 else Tally(failed=1)


def lint(_):
    """Format and lints."""
    formatted, _text = shown([CARGO, "fmt", "--all", "--check"])
    linted, _text = shown([CARGO, "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
    return one(formatted) + one(linted)


def rust(_):
    """Every Rust test, and the gateway that the parts after it talk to."""
    status, text = shown([CARGO, "test", "--workspace", "--locked", "--no-fail-fast"])
    tally = Tally()
    for passed, failed, ignored in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.M):
        tally += Tally(int(passed), int(failed), int(ignored))
    if status != 0 and tally.failed == 0:
        tally.failed = 1  # it did not build, or a test binary died
    return tally


def without_services(missing):
    """The Rust tests that could not use a service, by name: they have run without it."""
    marks = {"PostgreSQL": "TEST_DATABASE_URL", "Redis": "TEST_REDIS_URL"}
    tally = Tally()
    for service, why in missing.items():
        users = [path for path in sorted(ROOT.glob("crates/*/tests/**/*.rs")) if marks[service] in path.read_text() or "each(|" in path.read_text()]
        names = [f"{path.relative_to(ROOT)}::{name} on {service}" for path in users
                 for name in re.findall(r"#\[(?:tokio::)?test[^\]]*\]\s*(?:async )?fn (\w+)", path.read_text())]
        tally += skip(names, why)
    return tally


def gateway():
    """The gateway's binary, from the profile of the tests; None when it does not build. `SWITCHBOARD_BIN` names another."""
    if os.environ.get("SWITCHBOARD_BIN"):
        return os.environ["SWITCHBOARD_BIN"]
    status, _text = shown([CARGO, "build", "--locked", "-p", "switchboard-server"])
    return str(TARGET.resolve() / "debug" / "switchboard") if status == 0 else None


def skip(names, why):
    """Tests that cannot run here, by name."""
    for name in names:
        print(f"skipped {name}: {why}")
    return Tally(skipped=len(names))


def python_names(*patterns):
    files = sorted(path for pattern in patterns for path in PYTHON_SUITE.glob(pattern))
    return [f"{path.relative_to(ROOT)}::{name}" for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)]


def pytest(installed, files, names):
    if not installed.interpreter:
        return skip(names, installed.missing)
    binary = gateway()
    if not binary:
        print("the gateway does not build")
        return Tally(failed=len(names))
    command = [installed.interpreter, "-m", "pytest", "-q", "--tb=short", "-rfEs", "--no-fold-skipped", "-p", "no:cacheprovider",
               "-W", "ignore", "-o", "console_output_style=classic", *files]
    status, text = shown(command, env=os.environ | {"SWITCHBOARD_BIN": binary})
    last = re.findall(r"^.*\d+ (?:passed|failed|skipped|error).* in [\d.]+s.*$", text, re.M)
    counted = dict((word, int(number)) for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", last[-1] if last else ""))
    tally = Tally(counted.get("passed", 0), counted.get("failed", 0) + counted.get("error", 0) + counted.get("errors", 0), counted.get("skipped", 0))
    if status not in (0, 5) and tally.failed == 0:
        tally.failed = 1
    return tally


def python(installed):
    """The Python clients, but for LiteLLM's."""
    suite = str(PYTHON_SUITE.relative_to(ROOT))
    names = [name for name in python_names("test_*.py") if "test_litellm" not in name]
    return pytest(installed, [suite, f"--ignore-glob={suite}/test_litellm*.py"], names)


def litellm(installed):
    """LiteLLM's SDK and its client of the proxy, in an environment of their own."""
    files = sorted(PYTHON_SUITE.glob("test_litellm*.py"))
    return pytest(installed, [str(path.relative_to(ROOT)) for path in files], python_names("test_litellm*.py"))


def node(installed):
    """The Node.js clients."""
    files = sorted(NODE_SUITE.glob("*.test.mjs"))
    if not installed.interpreter:
        names = [f"{path.relative_to(ROOT)}: {name}" for path in files for name in re.findall(r'^test\("([^"]+)"', path.read_text(), re.M)]
        return skip(names, installed.missing)
    binary = gateway()
    if not binary:
        return Tally(failed=1)
    command = [installed.interpreter, "--test", "--test-reporter=tap", *[str(path.relative_to(ROOT)) for path in files]]
    status, text = shown(command, env=os.environ | {"SWITCHBOARD_BIN": binary})
    counted = dict((word, int(number)) for word, number in re.findall(r"^# (pass|fail|skipped|cancelled) (\d+)", text, re.M))
    tally = Tally(counted.get("pass", 0), counted.get("fail", 0) + counted.get("cancelled", 0), counted.get("skipped", 0))
    if status != 0 and tally.failed == 0:
        tally.failed = 1
    return tally


def crash(_):
    """A few of the crashes of `make test-crash`, and the figures of `make figures` with fewer clients."""
    tally = Tally()
    # Each with what a busy machine does within seconds; `make figures` has them at full scale.
    few = {"100": ["m5", "m8", "d4", "d5", "d3"], "3": ["x2"], "12": ["m13"], "6": ["d2"], "60": ["d1", "l3"], "300": ["m12", "c1", "c10"],
           "500": ["c8", "u7", "u10", "u13"], "1": ["c14", "s2", "a11", "u12"]}
    figures = [["tests/crash/figures.py", *names, "--count", count, "--untimed"] for count, names in few.items()]
    for command in (["tests/crash/run.py", "--iterations", "5", "--untimed"], *figures):
        status, text = shown([sys.executable, *command], env=os.environ | {"SWITCHBOARD_BIN": str(gateway())})
        found = re.search(r"(\d+) passed, (\d+) failed", text)
        tally += Tally(int(found.group(1)), int(found.group(2))) if found else one(status or 1)
    return tally


def contract(installed):
    """The whole API against its own document: one test for each operation, some requests each."""
    suite = str((CONTRACT / "run.py").relative_to(ROOT))
    if not installed.interpreter:
        return skip([suite], installed.missing)
    binary = gateway()
    if not binary:
        return Tally(failed=1)
    status, text = shown([installed.interpreter, suite], env=os.environ | {"SWITCHBOARD_BIN": binary})
    found = re.search(r"(\d+) passed, (\d+) failed", text)
    return Tally(int(found.group(1)), int(found.group(2))) if found else one(status or 1)


def replay(_):
    """Recorded traffic: one test for each part of the run, thousands of exchanges each."""
    binary = gateway()
    if not binary:
        return Tally(failed=1)
    interpreter = sys.executable or shutil.which("python3")
    command = [interpreter, "tests/replay/run.py", "--out", str(TARGET / "replay.json")]
    status, text = shown(command, env=os.environ | {"SWITCHBOARD_BIN": binary})
    said = re.findall(r"^(ok|not ok|skipped) replay/", text, re.M)
    tally = Tally(said.count("ok"), said.count("not ok"), said.count("skipped"))
    if status != 0 and tally.failed == 0:
        tally.failed = 1
    return tally


PARTS = {"lint": lint, "rust": rust, "python": python, "litellm": litellm, "node": node, "contract": contract, "crash": crash, "replay": replay}
