"""The real operator against a real API server: what it makes, mends, prunes and leaves alone."""

import json
from typing import Any

import pytest

from tests.operator.conftest import Namespace
from tests.support.operator_process import OperatorProcess

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator")]

KINDS = ("deployment", "service", "poddisruptionbudget", "horizontalpodautoscaler")


def test_a_voicemodel_becomes_what_serves_it_and_its_pods_pass_restricted(namespace: Namespace) -> None:
    namespace.apply(autoscaling={"minReplicas": 1, "maxReplicas": 3})
    for kind in KINDS:
        namespace.there(kind)
    namespace.there("serviceaccount", "timbre-a")
    namespace.until("a pod to be admitted", lambda: namespace.items("pods"))


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("deployment", {"spec": {"replicas": 5}}),
        ("deployment", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 77}}}}),
        ("service", {"spec": {"ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}}),
        ("poddisruptionbudget", {"spec": {"maxUnavailable": 7}}),
        ("deployment", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
        ("deployment", {"metadata": {"ownerReferences": None}}),
    ],
    ids=["replicas", "the pod", "a port", "the budget", "the label by which it is watched", "its owner"],
)
def test_an_edited_child_is_put_right(namespace: Namespace, kind: str, patch: dict[str, Any]) -> None:
    namespace.apply()
    before = namespace.there(kind)
    namespace.kubectl("patch", kind, "a", "--type=merge", "-p", json.dumps(patch))

    def restored() -> bool:
        now = namespace.there(kind)
        labels, owners = now["metadata"]["labels"], now["metadata"].get("ownerReferences")
        return (now["spec"], labels, owners) == (
            before["spec"],
            before["metadata"]["labels"],
            before["metadata"]["ownerReferences"],
        )

    namespace.until(f"the {kind} to be put right", restored)


@pytest.mark.parametrize("kind", ["deployment", "service", "poddisruptionbudget"])
def test_a_deleted_child_comes_back(namespace: Namespace, kind: str) -> None:
    namespace.apply()
    before = namespace.there(kind)["metadata"]["uid"]
    namespace.kubectl("delete", kind, "a", "--wait=false")
    namespace.until(
        f"the {kind} to come back",
        lambda: (namespace.get(kind) or {"metadata": {"uid": before}})["metadata"]["uid"] != before,
    )


def test_switching_the_autoscaler_on_and_off_keeps_the_number_of_pods(namespace: Namespace) -> None:
    namespace.apply(replicas=3)
    namespace.until("3 replicas", lambda: namespace.there("deployment")["spec"]["replicas"] == 3)
    namespace.apply(autoscaling={"minReplicas": 2, "maxReplicas": 5})
    namespace.there("horizontalpodautoscaler")
    namespace.until("the field to change hands", lambda: not owns_replicas(namespace))
    assert namespace.there("deployment")["spec"]["replicas"] == 3

    namespace.kubectl("scale", "deployment", "a", "--replicas=4")
    namespace.kubectl("annotate", "voicemodel", "a", "touched=yes")
    namespace.until(
        "the operator to have looked", lambda: namespace.there("voicemodel")["status"]["desiredReplicas"] == 4
    )
    assert namespace.there("deployment")["spec"]["replicas"] == 4

    namespace.apply(replicas=2)
    namespace.until("the autoscaler to be pruned", lambda: namespace.get("horizontalpodautoscaler") is None)
    namespace.until("2 replicas", lambda: namespace.there("deployment")["spec"]["replicas"] == 2)


def owns_replicas(namespace: Namespace) -> bool:
    managed = json.loads(namespace.kubectl("get", "deployment", "a", "-o", "json", "--show-managed-fields"))
    return any(
        entry["manager"] == "timbre-operator" and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        for entry in managed["metadata"]["managedFields"]
    )


def test_resuming_gives_an_autoscaler_something_to_scale(namespace: Namespace) -> None:
    """An autoscaler ignores a Deployment of 0 replicas, so suspension must not leave one behind."""
    autoscaling = {"minReplicas": 2, "maxReplicas": 5}
    namespace.apply(autoscaling=autoscaling, suspend=True)
    namespace.wait_for("Suspended", "True")
    assert namespace.get("horizontalpodautoscaler") is None
    namespace.apply(autoscaling=autoscaling)
    namespace.until("2 replicas", lambda: namespace.there("deployment")["spec"]["replicas"] == 2)


def test_kubectl_scale_works(namespace: Namespace) -> None:
    namespace.apply()
    namespace.there("deployment")
    namespace.kubectl("scale", "voicemodel", "a", "--replicas=3")
    namespace.until("3 replicas", lambda: namespace.there("deployment")["spec"]["replicas"] == 3)


def test_what_belongs_to_somebody_else_is_left_alone_and_named(namespace: Namespace) -> None:
    port = {"name": "http", "port": 1234, "protocol": "TCP", "targetPort": 1234}
    stranger = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [port]}}
    namespace.create(stranger)
    before = namespace.there("service")
    namespace.apply()
    told = namespace.wait_for("Degraded", "True", "NameTaken")
    assert "Service a was not made by Timbre" in told["message"]
    assert namespace.there("service") == before
    assert namespace.get("deployment")

    namespace.kubectl("delete", "service", "a")
    namespace.kubectl("annotate", "voicemodel", "a", "touched=yes")
    namespace.wait_for("Degraded", "False")
    assert namespace.there("service")["spec"]["ports"][0]["port"] == 80


def test_what_the_api_server_refuses_in_a_child_becomes_a_condition(namespace: Namespace) -> None:
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 500}]}}
    namespace.apply(podTemplate={"spec": {"affinity": affinity}})
    told = namespace.wait_for("Ready", "False", "Refused")
    assert "weight" in told["message"]
    namespace.apply()
    namespace.there("deployment")
    namespace.wait_for("Degraded", "False")


def test_deleting_while_the_operator_runs_brings_nothing_back(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.apply()
    namespace.wait_for("Ready", "False")
    namespace.kubectl("delete", "voicemodel", "a")
    namespace.until("everything to be gone", lambda: leftovers(namespace) == [])
    operator.settle()
    assert leftovers(namespace) == []


def leftovers(namespace: Namespace) -> list[str]:
    listed = namespace.kubectl("get", "deployments,services,pdb,hpa,serviceaccounts,pods,replicasets", "-o", "name")
    return [name for name in listed.split() if name != "serviceaccount/default"]
