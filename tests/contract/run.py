#!/usr/bin/env python3
"""Asks the gateway what its own `/openapi.json` allows, and more, and compares what it says with that document (C11).

    tests/contract/run.py [--examples N] [--workers N] [--seed N]

Requests are made up by schemathesis, which runs in the interpreter that runs this. For every operation and every request: no status
from 500 on, no status and no type of content that the document does not have, bodies as its schemas say. Left out is what would change
who may ask, `/health`, whose status tells of deployments, and what is asked of a cache: there is none, and LiteLLM's status for that is
503. Before that, what management answers when there is something to tell of is compared with the document, request by request
(`seeded.py`). Ends with `N passed, N failed`: an operation is one test.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from contract import seeded
from harness.gateway import MASTER_KEY, Gateway

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance"]
LEFT_OUT = r"^/(add|delete)/allowed_ip$|^/config/(update|field/update)$|^/health$|^/logout$|^/cache/(ping|redis/info|flushall|delete)$"
MODELS = [{"model_name": name, "litellm_params": {"model": "demo/echo"}, "model_info": {"mode": mode}}
          for name, mode in [("demo", "chat"), ("vectors", "embedding"), ("pictures", "image_generation")]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=4, help="requests of an operation, at most")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with Gateway({"model_list": MODELS}) as gateway:
        wrong, looked, described = seeded.check(gateway, MASTER_KEY)
    for what in wrong:
        print(f"not ok {what}")
    print(f"{looked} answers of management, {described} of them described")
    with tempfile.TemporaryDirectory(prefix="switchboard-contract-") as folder, Gateway({"model_list": MODELS}) as gateway:
        command = [
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run", f"{gateway.url}/openapi.json", "-H", f"Authorization: Bearer {MASTER_KEY}",
            "--phases", "fuzzing", "--max-examples", str(chosen.examples), "--checks", ",".join(CHECKS), "--seed", str(chosen.seed),
            "--workers", str(chosen.workers), "--continue-on-failure", "--no-shrink", "--request-timeout", "30", "--max-redirects", "1",
            "--suppress-health-check", "all", "--output-truncate", "false", "--exclude-path-regex", LEFT_OUT, "--no-color",
            "--warnings", "off", "--report", "junit", "--report-dir", folder,
        ]
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
        ended = gateway.process.poll()
        reports = list(pathlib.Path(folder).glob("*.xml"))
        cases = [case for report in reports for case in xml.etree.ElementTree.parse(report).iter("testcase")]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    for case in failed:
        what = [*case.iter("failure"), *case.iter("error")][0]
        print(f"not ok {case.get('name')}: {' '.join((what.get('message') or what.text or '').split())[:1500]}")
    generated = re.search(r"(\d+) generated", ran.stdout)
    if not cases or generated is None or ended is not None or (ran.returncode and not failed):
        print(ran.stdout[-4000:])
        print(f"the gateway {'ended' if ended is not None else 'lives'}, schemathesis ended with {ran.returncode}")
        failed = failed or [None]
    print(f"{generated.group(1) if generated else 0} requests to {len(cases)} operations")
    print(f"{max(0, len(cases) - len(failed)) + looked - len(wrong)} passed, {len(failed) + len(wrong)} failed")
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
