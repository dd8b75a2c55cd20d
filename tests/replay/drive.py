"""Sends the jobs of a plan to the gateway, several at a time."""

import concurrent.futures
import dataclasses
import http.client
import json
import re
import threading
from urllib.parse import unquote

from harness.gateway import MASTER_KEY

AT_ONCE = 8
BATCH = 400  # the replay server remembers 2000 requests
SECONDS = 60


@dataclasses.dataclass
class Outcome:
    """What came of a job: the answer, and what arrived upstream."""

    job: object
    status: int
    headers: dict
    body: bytes
    cut: bool  # the gateway closed the connection within the answer
    arrived: list  # the bodies upstream was sent


def drive(jobs, gateway, upstream):
    """The outcomes of all jobs."""
    sender = Sender(gateway.port)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(jobs), BATCH):
            batch = jobs[start:start + BATCH]
            upstream.clear()
            outcomes = list(pool.map(sender.send, batch))
            by_mark = {}
            for entry in upstream.log():
                mark = re.match(r"/replay/([^/]+)", unquote(entry["path"]))
                if mark:
                    by_mark.setdefault(mark.group(1), []).append(entry["body"])
            for outcome in outcomes:
                outcome.arrived = by_mark.get(outcome.job.mark, [])
                yield outcome


class Sender:
    """One connection to the gateway for each thread."""

    def __init__(self, port):
        self.port, self.mine = port, threading.local()

    def send(self, job):
        connection = getattr(self.mine, "connection", None)
        if connection is None:
            connection = self.mine.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        headers = {"authorization": f"Bearer {MASTER_KEY}", "content-type": "application/json"} | job.headers
        cut, body = False, b""
        try:
            connection.request("POST", job.path, json.dumps(job.body).encode(), headers)
            response = connection.getresponse()
            try:
                body = response.read()
            except http.client.IncompleteRead as incomplete:
                cut, body = True, incomplete.partial
                connection.close()
            return Outcome(job, response.status, {name.lower(): value for name, value in response.getheaders()}, body, cut, [])
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Outcome(job, 0, {}, repr(error).encode(), True, [])
