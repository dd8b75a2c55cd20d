#!/usr/bin/env python3
"""Sends the recorded traffic of real providers through the gateway and checks every answer.

    tests/replay/run.py [--out FILE] [--only PART,…] [--api API,…] [--id ID,…] [--verbose]

Needs a built gateway (see `tests/harness/gateway.py`) and the recorded traffic beside the checkout; without the latter it says
so and ends well. What is sent stands in `plan.py`, what an answer must say in `expect.py`. It fails when fewer than 99 of 100
exchanges of a part come out right, or when one fails that `exceptions.toml` does not explain.
"""

import argparse
import collections
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import plan  # noqa: E402
from drive import drive  # noqa: E402
from harness.gateway import Gateway, Missing, binary  # noqa: E402
from harness.upstream import Upstream, read_lines  # noqa: E402
from judge import judge, load_exceptions  # noqa: E402

THRESHOLD = 0.99


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="write the summary here, as JSON")
    parser.add_argument("--only", help=f"parts to run, of: {', '.join(plan.PARTS)}")
    parser.add_argument("--api", help="only exchanges of these recorded APIs")
    parser.add_argument("--id", help="only these exchanges")
    parser.add_argument("--verbose", action="store_true", help="print every failure, not some of each kind")
    return parser.parse_args()


def chosen(corpus, options):
    rows = list(corpus.values())
    if options.api:
        rows = [row for row in rows if row["api"] in options.api.split(",")]
    if options.id:
        rows = [row for row in rows if row["id"] in options.id.split(",")]
    return rows


def main():
    options = arguments()
    try:
        binary()
        corpus, oracle = read_lines("corpus.jsonl"), read_lines("oracle.jsonl")
    except Missing as missing:
        for part in plan.PARTS:
            print(f"skipped replay/{part}: {missing}")
        return 0
    began = time.monotonic()
    parts = options.only.split(",") if options.only else list(plan.PARTS)
    verdicts = []
    with Upstream() as upstream:
        for part in parts:
            jobs = plan.PARTS[part](chosen(corpus, options))
            if not jobs:
                continue
            with Gateway(plan.configuration(jobs, upstream.url)) as gateway:
                for outcome in drive(jobs, gateway, upstream):
                    verdicts.append(judge(part, outcome, oracle))
    summary = summarise(verdicts, time.monotonic() - began)
    report(verdicts, summary, options.verbose)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(summary, indent=1))
    return 0 if summary["good"] else 1


def summarise(verdicts, seconds):
    right, short = load_exceptions(HERE / "exceptions.toml")
    explained = right | short
    parts, clusters = {}, collections.defaultdict(list)
    for verdict in verdicts:
        part = parts.setdefault(verdict.part, {"sent": 0, "passed": 0, "right": 0, "excepted": 0, "failed": 0})
        part["sent"] += 1
        if not verdict.faults:
            part["passed"] += 1
        elif verdict.row["id"] in right:
            part["right"] += 1
        elif verdict.row["id"] in short:
            part["excepted"] += 1
        else:
            part["failed"] += 1
        for aspect, _ in verdict.faults:
            if verdict.row["id"] not in explained:
                clusters[f"{verdict.part} | {verdict.row['api']} | {verdict.client} | {aspect}"].append(verdict.row["id"])
    for part in parts.values():
        part["good"] = part["failed"] == 0 and (part["passed"] + part["right"]) / part["sent"] >= THRESHOLD
    return {
        "parts": parts,
        "good": all(part["good"] for part in parts.values()),
        "threshold": THRESHOLD,
        "seconds": round(seconds, 1),
        "clusters": {name: sorted(set(ids)) for name, ids in sorted(clusters.items(), key=lambda item: -len(item[1]))},
    }


def report(verdicts, summary, verbose):
    right, short = load_exceptions(HERE / "exceptions.toml")
    explained = right | short
    shown = collections.Counter()
    for verdict in verdicts:
        for aspect, why in verdict.faults:
            if verdict.row["id"] in explained:
                continue
            key = (verdict.part, verdict.row["api"], verdict.client, aspect)
            shown[key] += 1
            if verbose or shown[key] <= 2:
                print(f"{verdict.part} {verdict.row['id']} {verdict.row['api']} from {verdict.client}{verdict.options}: {aspect}: {why}")
    for name, ids in summary["clusters"].items():
        print(f"{len(ids):5} {name}: {' '.join(ids[:6])}{' …' if len(ids) > 6 else ''}")
    for name, part in summary["parts"].items():
        told = ", ".join(f"{part[what]} {what}" for what in ("sent", "passed", "right", "excepted", "failed"))
        print(f"{'ok' if part['good'] else 'not ok'} replay/{name}: {told}")
    print(f"{summary['seconds']} s")


if __name__ == "__main__":
    sys.exit(main())
