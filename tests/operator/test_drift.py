"""When is a child applied again? Written as what was wanted, what was seen, and whether that is enough."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.voicemodels import DEFAULTS, voicemodel
from timbre_operator.drift import contains, digest_of, needs_apply, parse_quantity
from timbre_operator.manifests import build
from timbre_operator.observed import Child, observe_child

Manifest = dict[str, Any]


@pytest.mark.parametrize(
    ("desired", "observed", "enough"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, True, id="others may add fields"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another value"),
        pytest.param({"a": 1}, {}, False, id="a missing field"),
        pytest.param({"a": {}}, {}, True, id="the API server leaves out what is empty"),
        pytest.param({"a": False}, {}, True, id="and what is false"),
        pytest.param({"a": {"b": 1}}, {"a": None}, False, id="a missing object"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, False, id="plain lists keep their order"),
        pytest.param(
            {"env": [{"name": "A"}]}, {"env": [{"name": "W"}, {"name": "A"}]}, True, id="a webhook's own item"
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "2"}]}, False, id="an item"
        ),
        pytest.param({"env": [{"name": "A"}]}, {"env": []}, False, id="a missing item"),
        pytest.param(
            {"tolerations": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoExecute"}]},
            {"tolerations": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoExecute"}]},
            True,
            id="items that their key does not tell apart",
        ),
        pytest.param(
            {"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, True, id="one quantity, two ways"
        ),
        pytest.param({"limits": {"cpu": "0.5"}}, {"limits": {"cpu": "500m"}}, True, id="halves"),
        pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, False, id="another quantity"),
        pytest.param({"value": "1000m"}, {"value": "1"}, False, id="a text that only looks like a quantity"),
    ],
)
def test_enough_is_when_everything_desired_is_there(desired: Manifest, observed: Manifest, enough: bool) -> None:
    assert contains(observed, desired) is enough


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("500m", "0.5"), ("1Ki", 1024), ("1k", 1000), ("1.5Gi", 1610612736), ("1e3", 1000)]
)
def test_quantities_are_read_as_the_api_server_reads_them(text: str, number: int | str) -> None:
    assert parse_quantity(text) == Decimal(number)


def deployment(**spec: Any) -> Manifest:
    return next(child for child in build(voicemodel(**spec), DEFAULTS) if child["kind"] == "Deployment")


def in_cluster(manifest: Manifest, **changes: Any) -> Child:
    """The manifest as the API server gives it back."""
    body = copy.deepcopy(manifest)
    body["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1}
    body["spec"] |= {"paused": False, **changes}
    return observe_child(body)


def test_what_is_as_it_was_applied_is_left_alone() -> None:
    assert not needs_apply(deployment(), in_cluster(deployment()), settled="")


def test_an_item_of_a_list_does_not_say_what_kind_it_is() -> None:
    body = in_cluster(deployment()).body
    listed = {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
    assert not needs_apply(deployment(), observe_child(listed), settled="")


def test_an_edited_child_is_put_right() -> None:
    assert needs_apply(deployment(), in_cluster(deployment(), replicas=7), settled="")


def test_a_field_taken_out_of_the_spec_is_taken_out_of_the_child() -> None:
    before = deployment(podTemplate={"spec": {"priorityClassName": "high"}})
    assert needs_apply(deployment(), in_cluster(before), settled="")


def test_an_admission_webhook_that_insists_is_not_fought() -> None:
    mutated = in_cluster(deployment(), replicas=7)
    assert not needs_apply(deployment(), mutated, settled=digest_of(deployment(), mutated))


def test_a_new_spec_is_applied_even_where_a_webhook_insisted_on_the_old_one() -> None:
    mutated = in_cluster(deployment(), replicas=7)
    wanted = deployment(replicas=2)
    assert needs_apply(wanted, mutated, settled=digest_of(deployment(), mutated))


def test_status_and_versions_do_not_count_as_a_change() -> None:
    child = in_cluster(deployment())
    later = observe_child(
        {**child.body, "metadata": {**child.metadata, "resourceVersion": "8"}, "status": {"replicas": 1}}
    )
    assert digest_of(deployment(), child) == digest_of(deployment(), later)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_everything_contains_itself(value: object) -> None:
    assert contains(value, value)
