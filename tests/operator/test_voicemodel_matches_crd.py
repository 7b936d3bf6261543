"""The CRD is canonical; the types that the operator parses into say the same, field by field."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from tests.support.control_plane import CRD_FILE
from timbre_operator.voicemodel import (
    ApiModel,
    InvalidVoiceModelError,
    VoiceModelSpec,
    parse_duration,
    parse_voicemodel,
)

Schema = dict[str, Any]
CRD: Schema = yaml.safe_load(CRD_FILE.read_text())
SPEC: Schema = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
OPAQUE = {"spec.podTemplate.spec.affinity"}
"""Passed on to the API server as it is, which knows its schema best."""


def pairs(model: type[ApiModel], schema: Schema, path: str) -> Iterator[tuple[str, type[ApiModel], Schema]]:
    """Every object of the spec, as type and as schema."""
    yield path, model, schema
    for field in model.model_fields.values():
        name, inner = str(field.alias), nested_model(field.annotation)
        if inner and name in schema.get("properties", {}):
            below = schema["properties"][name]
            yield from pairs(inner, below.get("items", below), f"{path}.{name}")


def nested_model(annotation: object) -> type[ApiModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        assert issubclass(annotation, ApiModel)
        return annotation
    return next((found for argument in get_args(annotation) if (found := nested_model(argument))), None)


def choices(annotation: object) -> set[str] | None:
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return next((found for argument in get_args(annotation) if (found := choices(argument))), None)
    return None


PAIRS = [pytest.param(model, schema, path, id=path) for path, model, schema in pairs(VoiceModelSpec, SPEC, "spec")]


@pytest.mark.parametrize(("model", "schema", "path"), PAIRS)
def test_every_field_is_in_both_or_in_neither(model: type[ApiModel], schema: Schema, path: str) -> None:
    assert {field.alias for field in model.model_fields.values()} == set(schema["properties"])


@pytest.mark.parametrize(("model", "schema", "path"), PAIRS)
def test_what_must_be_given_is_the_same(model: type[ApiModel], schema: Schema, path: str) -> None:
    required = {str(field.alias) for field in model.model_fields.values() if field.is_required()}
    assert required == set(schema.get("required", []))


@pytest.mark.parametrize(("model", "schema", "path"), PAIRS)
def test_choices_and_defaults_are_the_same(model: type[ApiModel], schema: Schema, path: str) -> None:
    for field in model.model_fields.values():
        described = schema["properties"][str(field.alias)]
        assert choices(field.annotation) == (set(described["enum"]) if "enum" in described else None), field.alias
        if "default" in described and described["default"] != {}:
            assert field.default == described["default"], field.alias


def leaves(schema: Schema, path: str = "spec") -> Iterator[tuple[str, Schema]]:
    for name, below in schema.get("properties", {}).items():
        yield from leaves(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from leaves(schema[key], f"{path}[]")
    if not schema.get("properties"):
        yield path, schema


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        pytest.param(path, schema, id=path)
        for path, schema in leaves(SPEC)
        if not any(path.startswith(opaque) for opaque in OPAQUE)
    ],
)
def test_no_value_is_unbounded(path: str, schema: Schema) -> None:
    """What has no bound can be too long to validate, or crash whoever parses it."""
    kind = schema.get("type", "int-or-string")
    if kind == "string":
        assert "enum" in schema or "maxLength" in schema
    elif kind == "integer":
        assert "minimum" in schema or "tolerationSeconds" in path
    elif kind == "array":
        assert "maxItems" in schema
    elif kind == "object":
        assert "maxProperties" in schema
    elif kind == "int-or-string":
        assert "pattern" in schema
        assert "maxLength" in schema
    else:
        assert kind == "boolean"


def descriptions(schema: Schema, path: str = "spec") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from descriptions(below, f"{path}.{name}")


def test_every_cross_field_rule_has_a_sentence() -> None:
    rules = [rule for _, schema in descriptions(SPEC) for rule in schema.get("x-kubernetes-validations", [])]
    assert len(rules) > 20
    assert all(len(rule["message"].split()) > 4 for rule in rules)


def test_top_level_fields_are_explained_to_the_user() -> None:
    assert [name for name, schema in SPEC["properties"].items() if "description" not in schema] == []


def body(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        pytest.param({"voices": []}, "spec.voices", id="a field of another version"),
        pytest.param({"autoscaling": {}}, "spec.autoscaling.maxReplicas", id="a missing field"),
        pytest.param({"drain": {"gracePeriod": "soon"}}, "not a duration", id="a duration in words"),
        pytest.param({"replicas": "many"}, "spec.replicas", id="a number in words"),
    ],
)
def test_what_cannot_be_understood_is_named(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidVoiceModelError, match=complaint):
        parse_voicemodel(body(**spec))


@pytest.mark.parametrize(
    ("text", "seconds"), [("20ms", 0.02), ("1.5s", 1.5), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("1h1ms", 3600.001)]
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "s", "5d", "1e3s"])
def test_other_spellings_of_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_optional_annotations_are_found_behind_none() -> None:
    assert choices(Literal["a"] | None) == {"a"}
    assert choices(int | NoneType) is None
