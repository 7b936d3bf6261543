"""The rights that the operator uses. charts/timbre grants exactly these: a test compares, another watches it work."""

from dataclasses import dataclass

_READ = ("get", "list", "watch")
# Server-side apply of what does not exist yet asks for both.
_APPLY = ("create", "patch")


@dataclass(frozen=True)
class Permission:
    """Verbs on resources of one API group, and what they are for."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    reason: str


PERMISSIONS: tuple[Permission, ...] = (
    Permission("timbre.dev", ("voicemodels",), _READ, "what is desired"),
    Permission("timbre.dev", ("voicemodels/status",), ("patch",), "conditions"),
    Permission("apps", ("deployments",), (*_READ, *_APPLY), "the pods"),
    Permission("", ("services", "serviceaccounts"), (*_READ, *_APPLY), "their address, and what they run as"),
    Permission("policy", ("poddisruptionbudgets",), (*_READ, *_APPLY), "how many may be missing"),
    Permission(
        "autoscaling", ("horizontalpodautoscalers",), (*_READ, *_APPLY, "delete"), "goes when it is switched off"
    ),
    Permission("", ("pods",), ("list", "watch"), "why one does not run"),
    Permission("", ("events",), ("create",), "one on each change of Ready's reason"),
)
