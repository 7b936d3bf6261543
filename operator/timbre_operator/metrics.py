"""What the operator says about itself."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.reconcile_seconds = Histogram(
            "timbre_operator_reconcile_seconds",
            "One pass over one VoiceModel",
            ["outcome"],
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.api_calls = Counter(
            "timbre_operator_api_calls", "Requests to the API server", ["verb", "kind", "code"], registry=registry
        )
        self.waiting = Gauge(
            "timbre_operator_waiting_voicemodels", "VoiceModels that wait for a pass", registry=registry
        )
        self.voicemodels = Gauge(
            "timbre_operator_voicemodels",
            "VoiceModels by what their conditions say",
            ["condition", "status"],
            registry=registry,
        )

    def count_call(self, verb: str, kind: str, code: int) -> None:
        self.api_calls.labels(verb, kind, str(code)).inc()

    def show_conditions(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Counts anew at each scrape, so that no VoiceModel is left in after it is gone."""
        tally = Tally(
            (condition["type"], condition["status"])
            for body in bodies
            for condition in (body.get("status") or {}).get("conditions") or []
        )
        self.voicemodels.clear()
        for (kind, status), number in tally.items():
            self.voicemodels.labels(kind, status).set(number)
