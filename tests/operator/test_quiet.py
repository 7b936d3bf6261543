"""What the operator asks of the API server: nothing that it may not, and nothing at all while nothing changes."""

import pytest

from tests.operator.conftest import Namespace
from tests.operator.test_children import leftovers
from tests.operator.test_observed_pods import ready
from tests.support.control_plane import ControlPlane
from tests.support.operator_process import OperatorProcess, running_operator
from timbre_operator.permissions import PERMISSIONS

pytestmark = pytest.mark.control_plane

FORBIDDEN = 403
AUTOSCALED = {"minReplicas": 2, "maxReplicas": 4, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}}
RICH = {
    "resources": {"gpu": {"sharing": "exclusive"}, "requests": {"cpu": "0.5", "memory": "1024Mi"}},
    "autoscaling": AUTOSCALED,
    "podTemplate": {
        "spec": {
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]
        }
    },
    "auth": {"apiKeysSecretRef": {"name": "keys"}},
    "networking": {"service": {"annotations": {"a": "b"}}},
}


def test_a_pass_over_what_is_settled_writes_nothing(namespace: Namespace, operator: OperatorProcess) -> None:
    """Also where the API server spells things in its own way: quantities, defaults, empty lists."""
    namespace.apply("rich", **RICH)
    namespace.apply("plain")
    for name in ("rich", "plain"):
        namespace.there("deployment", name)
    operator.settle()
    writes, passes = operator.writes(), operator.passes()
    for name in ("rich", "plain"):
        namespace.kubectl("annotate", "voicemodel", name, "touched=yes")
    namespace.until("a pass over each", lambda: operator.passes() >= passes + 2)
    operator.settle()
    assert operator.writes()[len(writes) :] == []


def test_a_restarted_operator_writes_nothing_about_what_is_settled(plane: ControlPlane, namespace: Namespace) -> None:
    with running_operator(plane, {"TIMBRE_OPERATOR_NAMESPACES": namespace.name}) as first:
        namespace.apply("rich", **RICH)
        namespace.there("horizontalpodautoscaler", "rich")
        first.settle()
    with running_operator(plane, {"TIMBRE_OPERATOR_NAMESPACES": namespace.name}) as second:
        writes = len(mine(second, namespace))
        namespace.until("a pass", lambda: second.passes() >= 1)
        second.settle()
        assert mine(second, namespace)[writes:] == []


def mine(operator: OperatorProcess, namespace: Namespace) -> list[str]:
    return [write for write in operator.writes() if f"/namespaces/{namespace.name}/" in write]


def test_nothing_of_the_operator_is_on_the_users_object(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.apply()
    namespace.wait_for("Ready", "False")
    operator.settle()
    metadata = namespace.there("voicemodel")["metadata"]
    assert "finalizers" not in metadata
    assert set(metadata["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


def test_deleting_with_the_operator_stopped_removes_everything(plane: ControlPlane, namespace: Namespace) -> None:
    with running_operator(plane, {"TIMBRE_OPERATOR_NAMESPACES": namespace.name}) as operator:
        namespace.apply(autoscaling=AUTOSCALED)
        namespace.there("horizontalpodautoscaler")
        namespace.until("a pod", lambda: namespace.items("pods"))
        operator.settle()
    namespace.kubectl("delete", "voicemodel", "a")
    namespace.until("everything to be gone", lambda: leftovers(namespace) == [])


def test_it_outlives_an_outage_of_the_api_server(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.apply("before")
    namespace.there("deployment", "before")
    namespace.plane.restart_api_server()
    namespace.apply("after")
    namespace.there("deployment", "after")
    namespace.kubectl("delete", "service", "before")
    namespace.until("a child to be mended", lambda: namespace.get("service", "before"))
    assert operator.is_ready()


def test_an_operator_of_one_namespace_leaves_the_others_alone(plane: ControlPlane, namespace: Namespace) -> None:
    with running_operator(plane, {"TIMBRE_OPERATOR_NAMESPACES": "somewhere-else"}) as operator:
        namespace.apply()
        assert operator.passes() == 0


def test_it_uses_exactly_the_rights_that_it_asks_for(namespace: Namespace, operator: OperatorProcess) -> None:
    """More would be refused by RBAC above; here: no less. `create` never shows, for an apply is audited as a patch."""
    namespace.apply(autoscaling=AUTOSCALED)
    namespace.there("horizontalpodautoscaler")
    namespace.apply()
    namespace.until("the autoscaler to be pruned", lambda: namespace.get("horizontalpodautoscaler") is None)
    namespace.until(
        "a child to be mended", lambda: "get" in verbs(operator, "timbre.dev", "voicemodels") or mend(namespace)
    )
    namespace.until("a pod", lambda: namespace.items("pods"))
    namespace.pod_says(namespace.items("pods")[0]["metadata"]["name"], ready("True"))
    namespace.wait_for("Ready", "True")
    namespace.until("an Event", lambda: "create" in verbs(operator, "", "events"))
    own = [line for line in operator.requests() if line.get("objectRef", {}).get("namespace") == namespace.name]
    assert [line["requestURI"] for line in own if line["responseStatus"]["code"] == FORBIDDEN] == []
    for right in PERMISSIONS:
        for resource in right.resources:
            unused = set(right.verbs) - verbs(operator, right.group, resource)
            assert unused <= {"create"} if "patch" in right.verbs else not unused, (resource, unused)


def mend(namespace: Namespace) -> None:
    namespace.kubectl("delete", "service", "a", "--ignore-not-found")


def verbs(operator: OperatorProcess, group: str, resource: str) -> set[str]:
    def full_name(reference: dict[str, str]) -> str:
        return "/".join(filter(None, (reference["resource"], reference.get("subresource", ""))))

    return {
        line["verb"]
        for line in operator.requests()
        if "objectRef" in line
        and line["responseStatus"]["code"] != FORBIDDEN
        and line["objectRef"].get("apiGroup", "") == group
        and full_name(line["objectRef"]) == resource
    }
