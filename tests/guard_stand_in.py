"""A service on this machine that answers as it is told: well, badly, slowly or not at all."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self):
        return json.loads(self.raw)


@dataclass(frozen=True)
class Reply:
    """What to answer. `drip_s` is the pause between two bytes; `drops` ends it half way."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay_s: float = 0.0
    drip_s: float = 0.0
    drops: bool = False

    @property
    def data(self) -> bytes:
        return json.dumps(self.body).encode() if self.raw is None else self.raw


Script = Callable[[Request], Reply]


class StandIn:
    """The service: set `script`, read `requests`."""

    def __init__(self, url: str):
        self.url = url
        self.script: Script = lambda request: Reply({})
        self.requests: list[Request] = []
        self.is_closing = threading.Event()

    def answer(self, *replies: object) -> None:
        """Give these answers in turn, the last of them for ever; a plain value is its JSON."""
        rest = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies]
        lock = threading.Lock()

        def script(request: Request) -> Reply:
            with lock:
                return rest.pop(0) if len(rest) > 1 else rest[0]

        self.script = script


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Serve on a free port of this machine."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, raw)
            service.requests.append(request)
            with suppress(OSError):
                self.say(service.script(request))

        def say(self, reply: Reply) -> None:
            service.is_closing.wait(reply.delay_s)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.data)))
            self.end_headers()
            if reply.drops:
                self.wfile.write(reply.data[: len(reply.data) // 2])
                self.close_connection = True
            elif reply.drip_s:
                for byte in reply.data:
                    if service.is_closing.wait(reply.drip_s):
                        return
                    self.wfile.write(bytes([byte]))
            else:
                self.wfile.write(reply.data)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Door)
    service = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.is_closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent_port() -> Iterator[int]:
    """Listen, take connections, and never say a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def took_s(call: Callable[[], object]) -> float:
    """Return how long `call` took."""
    start = time.monotonic()
    call()
    return time.monotonic() - start
