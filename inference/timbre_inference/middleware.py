"""What happens around every request, outermost first: its id and its outcome, its key, its size.

They are plain ASGI, because they must act before a body is read and while a response streams.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
import uuid
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timbre_inference.auth import ApiKeys, authorization_of
from timbre_inference.error_handlers import CLIENT_CLOSED_REQUEST, error_response
from timbre_inference.errors import BodyTooLargeError, InternalError, TimbreError, UploadTimeoutError
from timbre_inference.logs import request_id
from timbre_inference.metrics import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LINGER_SECONDS = 1.0
"""How long a refused upload is read and thrown away, so that its sender gets to see the refusal."""

_OUTCOMES = {
    401: "unauthorized",
    404: "not_found",
    413: "too_large",
    429: "overloaded",
    CLIENT_CLOSED_REQUEST: "cancelled",
    503: "draining",
    504: "timeout",
}


def outcome(status: int, *, complete: bool) -> str:
    """One of a closed set of words for how a request ended."""
    if status == 0:
        return "cancelled"
    if status in _OUTCOMES:
        return _OUTCOMES[status]
    if status >= 400:
        return "bad_request" if status < 500 else "error"
    return "ok" if complete else "broken_off"


class RequestScopeMiddleware:
    """Request id in and out, outcome counted, the unexpected turned into a 500 without a trace of its insides."""

    def __init__(self, app: ASGIApp, metrics: Metrics, draining: threading.Event) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["started"] = time.monotonic()
        identifier = _request_id(scope["headers"])
        token = request_id.set(identifier)
        response = _WatchedResponse(send, identifier, self._draining)
        self._metrics.inflight_requests.inc()
        try:
            await self._answer(scope, receive, response)
        finally:
            self._metrics.inflight_requests.dec()
            how = outcome(response.status, complete=response.complete)
            self._metrics.requests.labels(_route_of(scope), how).inc()
            request_id.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, response: _WatchedResponse) -> None:
        try:
            await self._app(scope, receive, response.send)
        except Exception:
            logger.exception("request %s failed", response.identifier)
            if response.status:
                raise  # The server must cut the connection: what was sent must not look complete.
            await error_response(InternalError())(scope, receive, response.send)


class _WatchedResponse:
    """Adds headers to a response on its way out, and remembers how far it came."""

    def __init__(self, send: Send, identifier: str, draining: threading.Event) -> None:
        self._send = send
        self._draining = draining
        self.identifier = identifier
        self.status = 0
        self.complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._stamp(message)
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True

    def _stamp(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = self.identifier
        headers["X-Content-Type-Options"] = "nosniff"
        if self._draining.is_set():
            headers["Connection"] = "close"


class ApiKeyMiddleware:
    """Nothing under /v1 without a key; the studio page itself holds no secret."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1"):
            try:
                self._keys.check(authorization_of(dict(scope["headers"])))
            except TimbreError as error:
                await _refuse(error, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimitMiddleware:
    """No body above `max_bytes`, whatever Content-Length says; none that takes longer than `seconds`."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = _content_length(scope["headers"])
        if declared > self._max_bytes:
            await _refuse(too_large(self._max_bytes), receive, send)
            return
        body = _BoundedBody(receive, self._max_bytes, time.monotonic() + self._seconds)
        await self._app(scope, body.receive, _closing_if_unread(body, send))


class _BoundedBody:
    """A body that is counted as it comes."""

    def __init__(self, receive: Receive, max_bytes: int, deadline: float) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._received = 0
        self.complete = False

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        message = await self._next()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._received > self._max_bytes:
                raise too_large(self._max_bytes)
        return message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            raise UploadTimeoutError(
                f"The body did not arrive in time: {self._received} bytes came, then nothing more. Send it again."
            ) from None


def too_large(max_bytes: int) -> BodyTooLargeError:
    """The refusal, with what to do."""
    size = f"{max_bytes / 2**20:g} MiB" if max_bytes >= 2**20 else f"{max_bytes} bytes"
    return BodyTooLargeError(
        f"The body is larger than the {size} that this server takes. Ten seconds of speech are enough for a voice."
    )


def _closing_if_unread(body: _BoundedBody, send: Send) -> Send:
    """A connection whose request was not read to its end cannot carry another one."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (408, 413) and not body.complete:
            MutableHeaders(scope=message)["Connection"] = "close"
        await send(message)

    return send_and_close


async def _refuse(error: TimbreError, receive: Receive, send: Send) -> None:
    """Answer at once, then take in a little of what is still being sent.

    Closing with unread bytes in the socket resets it, and the sender may then never see the answer.
    """
    response = error_response(error)
    response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": error.status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            await _read_to_end(receive)
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_to_end(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
        pass


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's own id when it is harmless to log, else a new one."""
    given = next((value.decode("latin-1") for name, value in headers if name == b"x-request-id"), "")
    return given if REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    value = next((value for name, value in headers if name == b"content-length"), b"")
    return int(value) if value.isdigit() else 0


def _route_of(scope: Scope) -> str:
    """The route's template: a closed set, unlike paths."""
    return getattr(scope.get("route"), "path", "unmatched")
