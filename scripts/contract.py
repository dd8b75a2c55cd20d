#!/usr/bin/env python3
"""Runs `tests/contract/run.py` in an environment of its own, with the arguments given."""

import subprocess
import sys

import install

installed = install.NEEDS["contract"]()
if not installed.interpreter:
    sys.exit(f"tests/contract/run.py {installed.missing}")
sys.exit(subprocess.run([installed.interpreter, str(install.CONTRACT / "run.py"), *sys.argv[1:]]).returncode)
