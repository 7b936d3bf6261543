"""The ops port: /livez, /readyz, /metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from timbre_operator.engine import Engine
from timbre_operator.metrics import Metrics


def create_app(engine: Engine, metrics: Metrics) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return _answer(engine.alive, "a worker has ended")

    async def readyz(_: web.Request) -> web.Response:
        return _answer(engine.ready and engine.alive, "still listing what is there")

    async def show_metrics(_: web.Request) -> web.Response:
        engine.collect_metrics()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show_metrics)])
    return app


def _answer(good: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n") if good else web.Response(status=503, text=f"{otherwise}\n")


@asynccontextmanager
async def serve_ops(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
