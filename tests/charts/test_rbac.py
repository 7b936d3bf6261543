"""The operator's rights are exactly what its code says it uses."""

from collections.abc import Iterable
from typing import Any

from tests.charts.helm import Helm, Manifest, find
from timbre_operator.permissions import PERMISSIONS

Right = tuple[str, str, str]


def rights_of(rules: Iterable[dict[str, Any]]) -> set[Right]:
    """Spell rules out: one (group, resource, verb) for each thing that is allowed."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used() -> set[Right]:
    return {
        (permission.group, resource, verb)
        for permission in PERMISSIONS
        for resource in permission.resources
        for verb in permission.verbs
    }


def bound_rules(manifests: list[Manifest], role_kind: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rules bound to the operator's account, by namespace ("" for the cluster)."""
    account = find(manifests, "ServiceAccount")["metadata"]["name"]
    rules: dict[str, list[dict[str, Any]]] = {}
    for binding in manifests:
        if binding["kind"] == f"{role_kind}Binding" and binding["subjects"][0]["name"] == account:
            namespace = binding["metadata"].get("namespace", "")
            role = next(
                m
                for m in manifests
                if m["kind"] == role_kind
                and m["metadata"].get("namespace", "") == namespace
                and m["metadata"]["name"] == binding["roleRef"]["name"]
            )
            rules[namespace] = role["rules"]
    return rules


def test_in_the_whole_cluster_it_may_do_exactly_what_it_does(helm: Helm) -> None:
    manifests = helm.template("timbre")
    assert rights_of(bound_rules(manifests, "ClusterRole")[""]) == used()
    assert bound_rules(manifests, "Role") == {}


def test_in_some_namespaces_it_has_the_same_rights_there_and_none_elsewhere(helm: Helm) -> None:
    manifests = helm.template("timbre", "--set", "operator.namespaces={speech,support}")
    by_namespace = {namespace: rights_of(rules) for namespace, rules in bound_rules(manifests, "Role").items()}
    assert by_namespace == {"speech": used(), "support": used()}
    assert bound_rules(manifests, "ClusterRole") == {}


def test_no_right_is_a_wildcard_and_no_secret_can_be_read() -> None:
    flat = {word for right in used() for word in right}
    assert "*" not in flat
    assert "secrets" not in flat
