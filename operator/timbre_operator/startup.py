"""Puts the operator together, runs it until it is told to stop, and takes it apart."""

import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import kopf
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from timbre_operator.cluster import connect
from timbre_operator.engine import Engine
from timbre_operator.handlers import configure, register
from timbre_operator.metrics import Metrics
from timbre_operator.ops import create_app, serve_ops
from timbre_operator.reconcile import Reconciler
from timbre_operator.settings import Settings
from timbre_operator.world import World


async def run(settings: Settings) -> None:
    """Raises ApiError when the API server cannot be used as it is at the start."""
    metrics = Metrics(_registry())
    world = World()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(connect(metrics.count_call))
        await cluster.check_installed()
        reconciler = Reconciler(world, cluster, settings.defaults, timestamp)
        engine = Engine(settings, world, cluster, reconciler, metrics)
        await stack.enter_async_context(serve_ops(create_app(engine, metrics), settings.ops_port))
        await engine.start()
        stack.push_async_callback(engine.stop)
        await _watch(engine, settings)


async def _watch(engine: Engine, settings: Settings) -> None:
    registry = kopf.OperatorRegistry()
    register(registry, engine)
    options = kopf.OperatorSettings()
    configure(options)
    await kopf.operator(
        registry=registry,
        settings=options,
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )


def timestamp() -> str:
    """Now, as the API server writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def configure_logging(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if level != "debug":
        # kopf reports every call of a handler; here that would be every event of every pod.
        logging.getLogger("kopf").setLevel(logging.WARNING)


def _registry() -> CollectorRegistry:
    # A second series for each counter and histogram that only says when it began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
