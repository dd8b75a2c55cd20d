"""A provider on loopback that keeps its own books: what it was asked, and how much of each answer it has sent."""

import asyncio
import json
import re
import threading

PROMPT_TOKENS = 10
PIECES, LONG = 12, 300
PAUSE = 0.01
MARK = re.compile(rb"mark-(\d+)-end")


class Provider:
    """A running provider. `asked` is how many requests came in, `sent` how many pieces of each answer went out, by mark."""

    def __init__(self):
        self.asked, self.sent = 0, {}
        self.port = None
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()

        def run():
            asyncio.set_event_loop(self.loop)
            server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        ready.wait(10)

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
                body = await reader.readexactly(length)
                self.asked += 1
                mark = MARK.search(body).group(1).decode()
                if json.loads(body).get("stream"):
                    await self._stream(mark, writer)
                else:
                    self._whole(mark, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            writer.close()

    def _whole(self, mark, writer):
        self.sent[mark] = pieces(mark)
        answer = json.dumps({
            "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * pieces(mark)}}],
            "usage": usage(pieces(mark)),
        }).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))

    async def _stream(self, mark, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in range(pieces(mark)):
            self.sent[mark] = piece + 1
            self._event(writer, {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]})
            await writer.drain()
            await asyncio.sleep(PAUSE if pieces(mark) == PIECES else PAUSE / 4)
        self._event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event(writer, {"choices": [], "usage": usage(pieces(mark))})
        done = b"data: [DONE]\n\n"
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done))

    @staticmethod
    def _event(writer, said):
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"} | said
        event = b"data: %s\n\n" % json.dumps(said).encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))


def pieces(mark):
    """How long an answer is: now and then one is long enough to be written down on its way."""
    return LONG if int(mark) % 8 == 0 else PIECES


def usage(output):
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": output, "total_tokens": PROMPT_TOKENS + output}
