"""The ops port: metrics and probes, in threads of their own, so that they answer while everything else works."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST

from timbre_inference.health import Answer, Health
from timbre_inference.metrics import Metrics

SLOW_CLIENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """One response."""

    status: int
    content_type: str
    body: bytes


def pages(health: Health, metrics: Metrics) -> Mapping[str, Callable[[], Page]]:
    """Path -> what it answers now."""
    return {
        "/metrics": lambda: Page(200, CONTENT_TYPE_LATEST, metrics.exposition()),
        "/livez": lambda: probe_page(health.alive()),
        "/readyz": lambda: probe_page(health.ready()),
        "/startupz": lambda: probe_page(health.started()),
    }


def probe_page(answer: Answer) -> Page:
    """The kubelet reads the status, people the sentence."""
    return Page(200 if answer.ok else 503, "text/plain; charset=utf-8", f"{answer.reason}\n".encode())


class OpsServer:
    """Serves `pages` on a port; `port` is the real one when 0 was asked for."""

    def __init__(self, pages: Mapping[str, Callable[[], Page]], host: str, port: int) -> None:
        self._pages = pages
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return 0 if self._server is None else self._server.server_port

    def start(self) -> None:
        """Listen and answer; OSError when the port is taken."""
        handler = type("Handler", (_Handler,), {"pages": self._pages})
        server_class = _Server6 if ":" in self._address[0] else _Server
        self._server = server_class(self._address, handler)
        threading.Thread(target=self._server.serve_forever, name="ops", daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # HTTPServer's own looks the host name up, which can hang where there is no resolver.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[Mapping[str, Callable[[], Page]]] = {}
    protocol_version = "HTTP/1.1"
    timeout = SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        self._send(page() if page else Page(404, "text/plain; charset=utf-8", b"not found\n"))

    def _send(self, page: Page) -> None:
        self.send_response_only(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_: object) -> None:
        """Probes every few seconds are not worth a line."""
