"""Events on a VoiceModel: one when Ready changes its mind, none while nothing changes."""

from collections.abc import Mapping
from typing import Any

from timbre_operator.names import API_VERSION, FIELD_MANAGER, KIND, Manifest, fingerprint
from timbre_operator.status.report import condition_of

LONGEST_MESSAGE = 1024
ON_THE_WAY = {"Creating", "Updating", "PodsStarting"}
"""Not worth an Event between two that are."""
EXPECTED = {"PodsReady", "Suspended", "ScaledToZero"} | ON_THE_WAY
"""Reasons that are nobody's fault."""


def transition_event(body: Mapping[str, Any], status: Mapping[str, Any], now: str) -> Manifest | None:
    """The Event for the way from the body's own status to `status`; None when Ready says the same as before."""
    before, after = condition_of(body.get("status") or {}, "Ready"), condition_of(status, "Ready")
    if (before.get("status"), before.get("reason")) == (after["status"], after["reason"]):
        return None
    if after["reason"] in ON_THE_WAY and before.get("status") != "True":
        return None
    metadata = body["metadata"]
    # Named after what it says: a pass that is repeated because of an error does not say it twice.
    suffix = fingerprint({"reason": after["reason"], "since": metadata["resourceVersion"]})
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "reason": after["reason"],
        "message": after["message"][:LONGEST_MESSAGE],
        "type": "Normal" if after["reason"] in EXPECTED else "Warning",
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
