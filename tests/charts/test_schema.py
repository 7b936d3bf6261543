"""The schema of the values is the check and the documentation, so it leaves nothing open and nothing unsaid."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.charts.helm import CHARTS

Node = dict[str, Any]


def schema_of(chart: str) -> Node:
    schema: Node = json.loads((CHARTS / chart / "values.schema.json").read_text())
    return schema


def nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Yield each schema below a schema with the path that leads to it."""
    yield path, node
    for word in ("properties", "definitions"):
        for name, child in node.get(word, {}).items():
            yield from nodes(child, f"{path}/{word}/{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from nodes(node[word], f"{path}/{word}")


# Parts of a pod's spec that the API server knows best, and what Helm itself puts there.
OPEN_ON_PURPOSE = ("/nodeAffinity", "/podAffinity", "/podAntiAffinity", "/properties/global")


def test_no_object_of_the_operators_values_is_left_open() -> None:
    closed = [
        (path, "additionalProperties" in node)
        for path, node in nodes(schema_of("timbre"), "")
        if node.get("type") == "object" and not path.endswith(OPEN_ON_PURPOSE)
    ]
    assert [path for path, is_closed in closed if not is_closed] == []


def test_every_property_of_the_operators_values_has_a_description() -> None:
    properties = [
        (path, node) for path, node in nodes(schema_of("timbre"), "") if path.rsplit("/", 2)[-2:-1] == ["properties"]
    ]
    assert [path for path, node in properties if not node.get("description")] == []


def test_every_default_is_described_and_every_described_value_has_a_default() -> None:
    schema = schema_of("timbre")
    defaults = yaml.safe_load((CHARTS / "timbre/values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(defaults)
    for name in ("crds", "rbac", "serviceAccount", "operator", "monitoring"):
        assert set(schema["properties"][name]["properties"]) == set(defaults[name]), name
