"""X6: texts that lead elsewhere as paths, in every place that a request has for one."""

import asyncio
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from crash.hostile import requests
from crash.stage import CENT, Found, Gateway, Line, asked

TARGETS = ["canary.txt", "etc/passwd", "switchboard.db", "v1/models", "proc/self/environ"]
WAYS = ["../T", "../../T", "../" * 12 + "T", "/T", "//T", "///T", "./T", "x/../T", "x/./T", "T/..", "T/.", "..\\T", "..\\..\\..\\T", "\\T", "\\\\host\\T",
        "%2e%2e/T", "..%2fT", "%2e%2e%2f%2e%2e%2fT", "%252e%252e%252fT", "..%5cT", "..%c0%afT", "%c0%ae%c0%ae/T", "..%ef%bc%8fT", "....//T", "..;/T",
        "..\0/T", "T\0.json", "T?x=y", "T#x", "file:///T", "~/T"]
CANARY = "canary-of-a-file-51c7"
# What a gateway opens by itself while it serves, beside what is in its folder.
OWN = re.compile(r"/(proc/self|proc/meminfo|proc/sys/vm|proc/\d+|sys|etc/(hosts|resolv\.conf|nsswitch\.conf|ld\.so|ssl|localtime|gai\.conf|host\.conf)|dev/(null|u?random)|usr/(lib|share)|lib|var/tmp|tmp)")


class Place:
    """A provider that answers anything, and keeps what paths it was asked for."""

    def __init__(self):
        self.paths = []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                self.paths.append(head.split(" ")[1])
                length = re.search(r"content-length: (\d+)", head, re.I)
                await reader.readexactly(int(length.group(1)) if length else 0)
                text = b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[]}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def strays(path):
    """Whether a path leaves what the configuration says, for whoever decodes it twice."""
    path = re.split(r"[?#]", path)[0]
    if not path.startswith("/place/v1/"):
        return True
    below = urllib.parse.unquote(urllib.parse.unquote(path[len("/place/v1/"):])).replace("\\", "/")
    return any(part.split(";")[0] in (".", "..") for part in below.split("/"))


def everywhere(document, text):
    """Every place of the document, and what it does not name: models of a pattern, what is passed on, pages."""
    yield from requests(document, text)
    coded, bare = urllib.parse.quote(text, safe=""), urllib.parse.quote(text, safe="/%?;~.")
    for written in (coded, bare):
        for prefix in ("/place/", "/place/x/", "/openai/", "/anthropic/", "/gemini/", "/ui/", "/v1/models/", "/v1beta/models/", "/scim/v2/Users/"):
            yield "GET", prefix + written, None
            yield "POST", prefix + written, {}
    for model in ("far/m", text, f"far/{text}", f"gem/{text}", f"gem/{text}:generateContent"):
        for path, body in [("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}), ("/v1/embeddings", {"input": "a"}),
                           ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}), ("/v1/responses", {"input": "a", "previous_response_id": text})]:
            yield "POST", path, body | {"model": model, "user": text, "metadata": {"file": text}}
        for method in ("generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents", "countTokens"):
            yield "POST", f"/v1beta/models/{urllib.parse.quote(model, safe='')}:{method}", {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


def opened(trace, folder):
    """Files that were opened, made or removed, and are neither in the folder nor the gateway's own."""
    found = set()
    for line in trace.read_text("utf-8", "replace").splitlines():
        for name in re.findall(r'(?:open|openat|openat2|creat|unlink|unlinkat|rename|renameat2?|mkdir|mkdirat|truncate)\((?:AT_FDCWD, )?"([^"]*)"', line):
            path = os.path.normpath(os.path.join(folder, name))
            inside = path == str(folder) or path.startswith(str(folder) + "/")
            if not inside and not OWN.match(path) or "canary.txt" in path:
                found.add(name)
    return found


async def x6(folder, count, timed):
    """150 texts (`count`) in every parameter, path and field: providers are asked for what is below what the configuration says, no file
    is touched that is not the gateway's, and none is shown."""
    wrong, folder = Found(), pathlib.Path(folder)
    place = await Place().start()
    params = {"api_base": f"{place.url}/place/v1", "api_key": "k"}
    models = [CENT, {"model_name": "far/*", "litellm_params": params | {"model": "openai/*"}}, {"model_name": "gem/*", "litellm_params": params | {"model": "gemini/*"}}]
    more = {"general_settings": {"pass_through_endpoints": [{"path": "/place", "target": f"{place.url}/place/v1", "include_subpath": True}]}}
    gateway = await asyncio.to_thread(Gateway, folder, models, more=more)
    (folder / "data" / "canary.txt").write_text(CANARY)
    (folder / "canary.txt").write_text(CANARY)
    trace, tracer = folder.parent / f"{folder.name}.trace", None
    if shutil.which("strace") and os.geteuid() == 0:
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "300", "-e", "trace=open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,truncate",
                                   "-o", str(trace), "-p", str(gateway.process.pid)], stderr=subprocess.DEVNULL)
        await asyncio.sleep(1)
    try:
        document = await asked(gateway.port, "GET", "/openapi.json")
        texts = [way.replace("T", target) for target in TARGETS for way in WAYS][: count or None]
        before, tried = {path.name for path in folder.rglob("*")}, 0
        queue = asyncio.Queue()
        for text in texts:
            queue.put_nowait(text)

        async def work():
            nonlocal tried
            line = Line(gateway.port)
            while not queue.empty():
                for method, path, body in everywhere(document, queue.get_nowait()):
                    status, said = await line.ask(method, path, body)
                    tried += 1
                    wrong.expect(status != 500, f"{method} {path}: {status} {said[:200]}")
                    wrong.expect(CANARY.encode() not in said and b"root:x:" not in said, f"{method} {path} shows a file: {said[:200]}")
            line.close()

        await asyncio.gather(*(work() for _ in range(4)))
        made = {path.name for path in folder.rglob("*")} - before
        wrong.expect(not made, f"files were made: {sorted(made)[:5]}")
        strayed = sorted({path for path in place.paths if strays(path)})
        wrong.expect(place.paths and not strayed, f"{len(strayed)} paths of {len(place.paths)} lead elsewhere: {strayed[:5]}")
        touched = "not looked at: there is no strace"
        if tracer:
            found = opened(trace, folder)
            wrong.expect(not found, f"files that are not its own: {sorted(found)[:10]}")
            touched = f"{len(found)} of {len(trace.read_text('utf-8', 'replace').splitlines())} calls are for other files"
        print(f"  {len(texts)} texts in {tried} requests, {len(place.paths)} of them passed on, {len(strayed)} astray; files: {touched}")
    finally:
        if tracer:
            tracer.terminate()
            tracer.wait(20)
            trace.unlink(missing_ok=True)
        place.server.close()
        wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
