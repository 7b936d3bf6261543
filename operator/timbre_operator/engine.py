"""The running operator: workers on a queue, and a list of everything now and then."""

import asyncio
import logging
import time

from timbre_operator.cluster import Cluster
from timbre_operator.errors import ApiError, RefusedError, RetryLaterError
from timbre_operator.metrics import Metrics
from timbre_operator.names import KIND, MANAGED_BY, MANAGED_BY_LABEL, VOICEMODEL_LABEL, Key, Manifest
from timbre_operator.reconcile import Progress, Reconciler
from timbre_operator.settings import Settings
from timbre_operator.workqueue import Backoff, WorkQueue
from timbre_operator.world import POD, World

logger = logging.getLogger(__name__)

CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
SELECTORS = {
    KIND: "",
    "Deployment": CHILD_SELECTOR,
    "Service": CHILD_SELECTOR,
    "ServiceAccount": CHILD_SELECTOR,
    "PodDisruptionBudget": CHILD_SELECTOR,
    "HorizontalPodAutoscaler": CHILD_SELECTOR,
    POD: VOICEMODEL_LABEL,
}
"""What is watched, and by which label the API server leaves the rest out."""
FLURRY_SECONDS = 0.1
"""How long changes of children and pods are gathered before a pass."""
REFUSED_DELAY = 5.0
"""First wait before something forbidden is tried again; it doubles. An API server that has just started forbids for a
moment what it allows once it has read its roles."""
RETRY_CAP = 60.0
REFUSED_CAP = 600.0


class Engine:
    def __init__(
        self, settings: Settings, world: World, cluster: Cluster, reconciler: Reconciler, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._world = world
        self._cluster = cluster
        self._reconciler = reconciler
        self._metrics = metrics
        self._queue: WorkQueue[Key] = WorkQueue()
        self._retries: Backoff[Key] = Backoff(cap=RETRY_CAP)
        self._refusals: Backoff[Key] = Backoff(first=REFUSED_DELAY, cap=REFUSED_CAP)
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = False

    @property
    def alive(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        """Lists everything before the first pass, which would otherwise miss pods that merely were not listed yet."""
        await self._list_everything()
        workers = [
            asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._settings.workers)
        ]
        self._tasks = [*workers, asyncio.create_task(self._resync(), name="resync")]
        self.ready = True

    async def stop(self) -> None:
        self.ready = False
        self._queue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def observe(self, kind: str, body: Manifest, *, gone: bool) -> None:
        """Takes in what a watch said, and asks for a pass over the VoiceModel that it concerns."""
        key = self._world.forget(kind, body) if gone else self._world.see(kind, body)
        if key is None:
            return
        if kind == KIND:
            self._queue.add(key, urgent=self._reconciler.is_new(key))
        elif self._world.voicemodel(key):
            # Children and pods change in flurries; one pass for a flurry is enough.
            self._queue.add_after(key, FLURRY_SECONDS)

    def collect_metrics(self) -> None:
        self._metrics.waiting.set(len(self._queue))
        bodies = (self._world.voicemodel(key) for key in self._world)
        self._metrics.show_conditions(body for body in bodies if body)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._pass(key)
            finally:
                self._queue.done(key)

    async def _pass(self, key: Key) -> None:
        started = time.perf_counter()
        outcome = "done"
        try:
            if await self._reconciler.reconcile(key) is Progress.STARTED:
                self._queue.add(key)
            self._retries.forget(key)
            self._refusals.forget(key)
        except RetryLaterError as error:
            outcome = "retry"
            self._again(key, error)
        except RefusedError as error:
            outcome = "refused"
            logger.warning("%s: refused: %s", key, error)
            self._queue.add_after(key, self._refusals.next(key))
        except Exception:  # the last boundary: one VoiceModel must not stop the others
            outcome = "error"
            logger.exception("%s: a pass failed", key)
            self._queue.add_after(key, self._retries.next(key))
        self._metrics.reconcile_seconds.labels(outcome).observe(time.perf_counter() - started)

    def _again(self, key: Key, error: RetryLaterError) -> None:
        delay = self._retries.next(key, error.delay)
        logger.info("%s: again in %.1f s: %s", key, delay, error)
        self._queue.add_after(key, delay)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            try:
                await self._list_everything()
            except ApiError as error:
                logger.warning("listing everything failed, next time again: %s", error)

    async def _list_everything(self) -> None:
        for kind, selector in SELECTORS.items():
            before = self._world.snapshot(kind)
            bodies = [
                {**body, "kind": kind}
                for namespace in self._settings.namespaces or ("",)
                async for body in self._cluster.list(kind, namespace, selector)
            ]
            self._world.replace(kind, bodies, before)
        for key in self._world:
            self._queue.add(key)
