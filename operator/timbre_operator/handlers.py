"""The doors that kopf opens: every event of every watch ends in one call of the engine.

Only `on.event` handlers: kopf then keeps nothing on the objects, neither annotations nor finalizers, and every write
is ours.
"""

import kopf

from timbre_operator.cluster import RESOURCES
from timbre_operator.engine import SELECTORS, Engine


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no earlier state of an object: passes compare what is with what should be."""

    def build(self, **_: object) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: object) -> None:
        """There is nothing to store."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers: they only take note, which cannot fail half-way."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        """There is nothing to store."""

    def purge(self, **_: object) -> None:
        """There is nothing to purge."""

    def touch(self, **_: object) -> None:
        """There is nothing to touch."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def register(registry: kopf.OperatorRegistry, engine: Engine) -> None:
    """Watches everything that a pass depends on; `param` carries the kind, which list answers leave out."""

    async def on_event(event: kopf.RawEvent, param: str = "", **_: object) -> None:
        engine.observe(param, dict(event["object"]), gone=event["type"] == "DELETED")

    async def login(settings: kopf.OperatorSettings, **_: object) -> kopf.ConnectionInfo | None:
        # kopf's default would load the whole synchronous client for this.
        return kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)

    kopf.on.login(id="login", registry=registry)(login)
    for kind in SELECTORS:
        group, _, version = RESOURCES[kind].api_version.rpartition("/")
        kopf.on.event(group, version, RESOURCES[kind].plural, id=kind, param=kind, registry=registry)(on_event)


def configure(settings: kopf.OperatorSettings) -> None:
    for kind, selector in SELECTORS.items():
        group, _, version = RESOURCES[kind].api_version.rpartition("/")
        if selector:
            settings.watching.label_selectors[group, version, RESOURCES[kind].plural] = selector
    # Needs no right to see namespaces or CRDs; what is watched is fixed when the operator starts.
    settings.scanning.disabled = True
    # No Events by kopf: ours are few and say what changed.
    settings.posting.enabled = False
    settings.peering.standalone = True
    # An API server that is away for an hour finds the operator still there; its restart would only add a back-off.
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, *[20] * 180)
    # Nothing is compared with what was there before, so nothing has to be copied for it at each event.
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
