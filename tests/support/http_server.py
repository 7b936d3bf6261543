"""A real server on a loopback port: the tiny bundle, the real engine, batcher, routes and uvicorn."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tests.support.bundles import write_tiny_bundle
from timbre_inference.api import Api, open_api
from timbre_inference.app import create_app
from timbre_inference.batch_plan import BatchLimits
from timbre_inference.batcher import Batcher, QueueLimits
from timbre_inference.bundle import load_bundle
from timbre_inference.context import ServerContext
from timbre_inference.device_thread import DeviceThread
from timbre_inference.engine import Engine
from timbre_inference.metrics import Metrics
from timbre_inference.models.family import VoiceFamily
from timbre_inference.settings import Settings

START_SECONDS = 30.0


@dataclass(frozen=True)
class RunningServer:
    """Where it answers, and what is inside."""

    url: str
    api: Api
    device: DeviceThread


@contextlib.contextmanager
def running_server(
    folder: Path, wrap_family: Callable[[VoiceFamily], VoiceFamily] = lambda family: family, **settings: object
) -> Iterator[RunningServer]:
    """Serve the tiny bundle out of `folder` until the block ends; `settings` are those of the pod.

    `wrap_family` may put a fault or a gate before the real model.
    """
    values = {"voice_store_url": (folder / "voices").as_uri(), "device": "cpu", **settings}
    context, device = _context(folder, Settings.model_validate(values), wrap_family)
    api = open_api(context)
    server = uvicorn.Server(uvicorn.Config(_app(api), host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, name="http-server")
    device.start()
    thread.start()
    try:
        yield RunningServer(_url_of(server, thread), api, device)
    finally:
        server.should_exit = True
        thread.join()
        device.stop()
        api.close()


def _context(
    folder: Path, settings: Settings, wrap_family: Callable[[VoiceFamily], VoiceFamily]
) -> tuple[ServerContext, DeviceThread]:
    source = folder / "bundle"
    bundle = load_bundle(str(source if source.exists() else write_tiny_bundle(source)))
    family = wrap_family(bundle.load_family("cpu"))
    metrics, device = Metrics(), DeviceThread()
    limits = BatchLimits(settings.max_batch_size, settings.frame_budget("cpu"))
    engine = Engine(family, "cpu", limits, metrics)
    batcher = Batcher(engine, device, metrics, QueueLimits(settings.max_waiting, settings.max_queue_delay))
    rate = family.info.reference_sample_rate
    return ServerContext(settings, bundle, bundle.tokenizer(), batcher, metrics, rate), device


def _app(api: Api) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        api.context.batcher.start()
        yield
        await api.context.batcher.stop()

    app = create_app(api)
    app.router.lifespan_context = lifespan
    return app


def _url_of(server: uvicorn.Server, thread: threading.Thread) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}"
