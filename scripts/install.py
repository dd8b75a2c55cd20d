"""Installs what the client suites need into `.local/`. Each function returns an `Installed`."""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOCAL = ROOT / ".local"
PYTHON_SUITE = ROOT / "tests" / "clients" / "python"
NODE_SUITE = ROOT / "tests" / "clients" / "node"
CONTRACT = ROOT / "tests" / "contract"
OLDEST_PYTHON, OLDEST_NODE = (3, 11), 20
MINUTES = 15


@dataclasses.dataclass
class Installed:
    """The interpreter to run a suite with, or why there is none."""

    interpreter: str | None
    missing: str | None = None


def quietly(command, **more):
    """Runs a command; its output is told only when it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=MINUTES * 60, text=True, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else f"`{' '.join(map(str, command[:4]))} …` failed: {last_line(done.stdout)}"


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def stamped(folder, *sources):
    """Whether a folder was made from just these files, and the stamp that says so."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = folder / ".made-from"
    return stamp.is_file() and stamp.read_text() == digest, lambda: stamp.write_text(digest)


def from_system(*packages):
    """Installs packages of the system, where that is allowed. Why not, else None."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "and only root may install it with apt-get"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return quietly(["apt-get", "update"], env=environment) or quietly(["apt-get", "install", "-y", "--no-install-recommends", *packages], env=environment)


def python(name, wanted):
    """A virtual environment with the packages that a file pins."""
    if sys.version_info < OLDEST_PYTHON:
        return Installed(None, f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed")
    folder = LOCAL / name
    interpreter = folder / "bin" / "python"
    done, stamp = stamped(folder, wanted)
    if done and interpreter.exists():
        return Installed(str(interpreter))
    shutil.rmtree(folder, ignore_errors=True)
    LOCAL.mkdir(exist_ok=True)
    why = quietly([sys.executable, "-m", "venv", str(folder)])
    if why:  # Debian keeps `ensurepip` in a package of its own
        why = from_system("python3-venv") or quietly([sys.executable, "-m", "venv", "--clear", str(folder)])
    why = why or quietly([str(interpreter), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check",
                          "-r", str(wanted)])
    if why:
        return Installed(None, f"cannot be installed: {why}")
    stamp()
    return Installed(str(interpreter))


def node():
    """Node.js itself, and the pinned packages."""
    if not shutil.which("node") or not shutil.which("npm"):
        why = from_system("nodejs", "npm")
        if why or not shutil.which("npm"):
            return Installed(None, f"there is no Node.js, {why or 'and the system has none'}")
    version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    major = re.match(r"v(\d+)", version)
    if not major or int(major.group(1)) < OLDEST_NODE:
        return Installed(None, f"Node.js {OLDEST_NODE} or newer is needed; this is {version or 'broken'}")
    folder, sources = LOCAL / "node", [NODE_SUITE / "package.json", NODE_SUITE / "package-lock.json"]
    done, stamp = stamped(folder, *sources)
    if not done:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, folder)
        why = quietly(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        if why:
            return Installed(None, f"cannot be installed: {why}")
        stamp()
    link = NODE_SUITE / "node_modules"
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(os.path.relpath(folder / "node_modules", NODE_SUITE))
    return Installed(shutil.which("node"))


NEEDS = {
    "python": lambda: python("python", PYTHON_SUITE / "requirements.txt"),
    "litellm": lambda: python("python-litellm", PYTHON_SUITE / "requirements-litellm.txt"),
    "node": node,
    "contract": lambda: python("python-contract", CONTRACT / "requirements.txt"),
}
