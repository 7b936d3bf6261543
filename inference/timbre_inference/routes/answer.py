"""The answer that is sound: errors before the first byte are errors, a broken stream is a broken connection."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from timbre_inference.api import Api
from timbre_inference.audio.formats import FORMATS
from timbre_inference.errors import InternalError, TimbreError
from timbre_inference.playback import Playback
from timbre_inference.schemas import SpeechOptions, StreamFormat
from timbre_inference.speaking import Piece, jobs_for
from timbre_inference.voices import Embedding

logger = logging.getLogger(__name__)

AUDIO_TOKENS_PER_SECOND = 20
"""OpenAI counts one output token for 50 ms of sound."""


@dataclass(frozen=True)
class Order:
    """What is to be spoken, how, and in which voice."""

    options: SpeechOptions
    find_embedding: Callable[[], Awaitable[Embedding]]
    """Deferred, so that a client who leaves meanwhile is noticed."""


class SpokenAnswer(Response):
    """Speaks while it answers; a client who leaves takes its sentences out of the queue."""

    def __init__(self, api: Api, order: Order) -> None:
        event_stream = order.options.stream_format is StreamFormat.SSE
        media_type = "text/event-stream" if event_stream else FORMATS[order.options.response_format].media_type
        headers = {"Cache-Control": "no-store", "X-Timbre-Seed": str(order.options.seed)}
        super().__init__(media_type=media_type, headers=headers)
        self._api = api
        self._order = order
        self._playback = Playback()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = _sender(self._order.options, self.headers, send, self._api.context.settings.request_timeout)
        speaking = asyncio.create_task(self._speak(sender, started_at(scope)))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((speaking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                speaking.result()
        finally:
            speaking.cancel()
            leaving.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)

    async def _speak(self, sender: AudioSender, started: float) -> None:
        try:
            await self._send_speech(sender, started)
        except Exception as error:
            if not sender.started:
                raise
            # Returning without an end makes the server cut the connection: half a file must not look whole.
            logger.exception("speech broke off")
            await sender.break_off(error if isinstance(error, TimbreError) else InternalError())

    async def _send_speech(self, sender: AudioSender, started: float) -> None:
        options, context = self._order.options, self._api.context
        sentences = await self._api.maker.prepare(options.input)
        embedding = await self._order.find_embedding()
        jobs = jobs_for(sentences, embedding, options, started + context.settings.request_timeout)
        async with aclosing(self._api.maker.pieces(jobs, options.response_format)) as pieces:
            async for piece in pieces:
                self._measure(piece, sender.started, started)
                await sender.piece(piece)
        await sender.end(sum(len(tokens) for tokens in sentences))

    def _measure(self, piece: Piece, sound_was_sent: bool, started: float) -> None:
        metrics, now = self._api.context.metrics, time.monotonic()
        if piece.data and not sound_was_sent:
            metrics.time_to_first_audio.observe(now - started)
        if self._playback.sent(now, piece.audio_seconds):
            metrics.stream_underruns.inc()


class AudioSender:
    """Sends a file's bytes as they are; each write may take `seconds`, or the listener counts as gone."""

    def __init__(self, headers: MutableHeaders, send: Send, seconds: float) -> None:
        self._headers = headers
        self._send = send
        self._seconds = seconds
        self._audio_seconds = 0.0
        self.started = False

    async def piece(self, piece: Piece) -> None:
        """Some of the speech. What is whole at once says how long it is."""
        self._audio_seconds += piece.audio_seconds
        if piece.last and not self.started:
            self._headers["Content-Length"] = str(len(piece.data))
        if piece.data:
            await self._body(piece.data)

    async def end(self, input_tokens: int) -> None:
        """Everything was said."""
        del input_tokens  # A file has no place for it.
        await self._message({"type": "http.response.body", "body": b"", "more_body": False})

    async def break_off(self, error: TimbreError) -> None:
        """There is no way to say so within a file."""

    async def _body(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            await self._message({"type": "http.response.start", "status": 200, "headers": self._headers.raw})
        await self._message({"type": "http.response.body", "body": data, "more_body": True})

    async def _message(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._seconds):
            await self._send(message)


class EventSender(AudioSender):
    """Sends the same bytes as OpenAI's server-sent events."""

    async def piece(self, piece: Piece) -> None:
        self._audio_seconds += piece.audio_seconds
        if piece.data:
            audio = base64.b64encode(piece.data).decode("ascii")
            await self._body(event({"type": "speech.audio.delta", "audio": audio}))

    async def end(self, input_tokens: int) -> None:
        output_tokens = round(self._audio_seconds * AUDIO_TOKENS_PER_SECOND)
        usage = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        }
        await self._body(event({"type": "speech.audio.done", "usage": usage}))
        await super().end(input_tokens)

    async def break_off(self, error: TimbreError) -> None:
        await self._body(b"event: error\n" + event(error.payload()))


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def started_at(scope: Scope) -> float:
    """When the request's headers came, on `time.monotonic()`'s clock."""
    return float(HTTPConnection(scope).state.started)


def _sender(options: SpeechOptions, headers: MutableHeaders, send: Send, seconds: float) -> AudioSender:
    kind = EventSender if options.stream_format is StreamFormat.SSE else AudioSender
    del headers["Content-Length"]
    return kind(headers, send, seconds)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
