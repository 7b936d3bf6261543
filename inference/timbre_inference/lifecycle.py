"""One server process from its first line of log to its exit code.

    starting   ops port answers, /readyz 503    verify, load, warm up, speak a first sentence
    ready      API port answers, /readyz 200
    draining   /readyz 503, no new connections  what was accepted is finished
    ended      the exit code is `process`'s affair

A second signal, or the end of the grace period, ends the draining.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from timbre_inference.api import Api, open_api
from timbre_inference.api_server import ApiServer
from timbre_inference.app import create_app
from timbre_inference.batcher import Batcher, QueueLimits
from timbre_inference.context import ServerContext
from timbre_inference.device_thread import DeviceThread
from timbre_inference.engine import DeviceLostError
from timbre_inference.exits import (
    BadSettingsError,
    LostDeviceError,
    NotDrainedError,
    UnexpectedError,
)
from timbre_inference.health import Health, Phase
from timbre_inference.loading import LoadedModel, load_model
from timbre_inference.metrics import Metrics
from timbre_inference.ops import OpsServer, pages
from timbre_inference.settings import PREFIX, Settings

logger = logging.getLogger(__name__)


class Signals:
    """The first SIGTERM or SIGINT asks to stop, the second one insists."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.insist = asyncio.Event()

    def install(self) -> None:
        """On the running loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)

    def _receive(self, number: signal.Signals) -> None:
        logger.info("signal received", extra={"signal": signal.Signals(number).name})
        (self.insist if self.stop.is_set() else self.stop).set()


class Server:
    """One process's worth of objects; `serve` is its life."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._device = DeviceThread()
        self._health = Health(settings.stuck_after, self._device.busy_for)
        self._signals = Signals()

    async def serve(self) -> None:
        """Returns when drained; raises FatalError or SettingsError."""
        self._signals.install()
        async with AsyncExitStack() as stack:
            self._open_ops_port(stack)
            self._device.start()
            stack.callback(self._device.stop)
            stack.push_async_callback(_cancel, asyncio.create_task(self._health.beat()))
            self._health.doing = "loading the model"
            loading = self._device.run(lambda: load_model(self._settings, self._metrics))
            model = await self._unless_stopped(loading)
            if model is not None:
                await self._serve_model(model, stack)

    async def _serve_model(self, model: LoadedModel, stack: AsyncExitStack) -> None:
        context = self._context(model)
        batcher = context.batcher
        api = open_api(context)
        stack.callback(api.close)
        batcher.start()
        server = await self._open_api_port(api, stack)
        stack.push_async_callback(batcher.stop)
        self._become(Phase.READY, "serving")
        logger.info("serving", extra={"http_port": server.port, "ops_port": self._ops.port})
        await self._until_stopped(server, batcher)
        await self._drain(server, context)

    def _context(self, model: LoadedModel) -> ServerContext:
        settings = self._settings
        limits = QueueLimits(
            max_waiting=settings.max_waiting,
            max_queue_delay=settings.max_queue_delay,
            reference_timeout=settings.request_timeout,
        )
        batcher = Batcher(model.engine, self._device, self._metrics, limits)
        self._metrics.read_queue_from(
            depth=lambda: batcher.overview().depth,
            age=lambda: batcher.overview().oldest_age,
            audio=lambda: batcher.overview().pending_audio_seconds,
        )
        return ServerContext(
            settings=settings,
            bundle=model.bundle,
            tokenizer=model.tokenizer,
            batcher=batcher,
            metrics=self._metrics,
            reference_sample_rate=model.info.reference_sample_rate,
        )

    def _open_ops_port(self, stack: AsyncExitStack) -> None:
        self._ops = OpsServer(pages(self._health, self._metrics), self._settings.host, self._settings.ops_port)
        try:
            self._ops.start()
        except OSError as error:
            raise BadSettingsError(_port_taken("OPS_PORT", self._settings.ops_port, error)) from error
        stack.callback(self._ops.stop)
        logger.info("ops port open", extra={"ops_port": self._ops.port})

    async def _open_api_port(self, api: Api, stack: AsyncExitStack) -> ApiServer:
        server = ApiServer(create_app(api), self._settings.host, self._settings.http_port)
        try:
            await server.start()
        except OSError as error:
            raise BadSettingsError(_port_taken("HTTP_PORT", self._settings.http_port, error)) from error
        stack.push_async_callback(server.stop)
        return server

    async def _unless_stopped(self, loading: Coroutine[Any, Any, LoadedModel]) -> LoadedModel | None:
        """None when the signal came first: nothing was accepted, so nothing is to be finished."""
        task = asyncio.create_task(loading)
        stopped = asyncio.create_task(self._signals.stop.wait())
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        await _cancel(stopped)
        if task.done():
            return task.result()
        await _cancel(task)
        return None

    async def _until_stopped(self, server: ApiServer, batcher: Batcher) -> None:
        """Until a signal; raises when the batcher or the API ends by itself."""
        tasks = [asyncio.create_task(wait()) for wait in (self._signals.stop.wait, batcher.wait_closed, server.closed)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._signals.stop.is_set():
                return
            _raise_first(tasks)
        except DeviceLostError as error:
            self._become(Phase.FAILED, "the device is lost")
            raise LostDeviceError(f"The device does not answer any more: {error}") from error
        finally:
            for task in tasks:
                await _cancel(task)

    async def _drain(self, server: ApiServer, context: ServerContext) -> None:
        self._become(Phase.DRAINING, "finishing what was accepted")
        context.draining.set()
        drained = await _in_time(
            self._finish(server, context.batcher), self._settings.drain_grace_period, self._signals.insist.wait
        )
        if not drained:
            left = server.open_requests
            raise NotDrainedError(f"{left} requests were cut off: a second signal or the grace period came first.")

    async def _finish(self, server: ApiServer, batcher: Batcher) -> None:
        await server.drain()
        await batcher.drain()

    def _become(self, phase: Phase, doing: str) -> None:
        self._health.phase, self._health.doing = phase, doing
        logger.info("phase", extra={"phase": phase.value})


async def _in_time(work: Coroutine[Any, Any, None], seconds: float, interrupted: Callable[[], Awaitable[Any]]) -> bool:
    """Whether the work was done before the time ran out and before `interrupted` returned."""
    task = asyncio.create_task(work)
    interruption = asyncio.ensure_future(interrupted())
    await asyncio.wait((task, interruption), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    interruption.cancel()
    if not task.done():
        await _cancel(task)
        return False
    task.result()
    return True


def _raise_first(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done():
            task.result()
    raise UnexpectedError("The API stopped by itself.")


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _port_taken(name: str, port: int, error: OSError) -> str:
    return f"{PREFIX}{name}={port}: the port cannot be opened: {error.strerror}."
