"""JSON schemas for kubeconform out of the OpenAPI documents of a running API server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_PREFIX = "#/components/schemas/"
_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("items", "additionalProperties", "not")


def write_schemas(documents: list[Schema], folder: Path) -> None:
    """Write one self-contained strict schema for each kind in OpenAPI v3 documents.

    The file names are those of kubeconform's template `{{.ResourceKind}}{{.KindSuffix}}.json`.
    """
    for document in documents:
        components = document.get("components", {}).get("schemas", {})
        for name, schema in components.items():
            for file_name in _file_names(schema):
                content = {**_closure(name, components), "$ref": f"#/definitions/{name}"}
                (folder / file_name).write_text(json.dumps(content))


def _file_names(schema: Schema) -> Iterator[str]:
    for kind in schema.get("x-kubernetes-group-version-kind", []):
        group = kind["group"].split(".")[0]
        suffix = f"-{group}-{kind['version']}" if group else f"-{kind['version']}"
        yield f"{kind['kind']}{suffix}.json".lower()


def _closure(name: str, components: dict[str, Schema]) -> Schema:
    """Return the definitions that a schema needs, itself included."""
    definitions: dict[str, Schema] = {}
    wanted = [name]
    while wanted:
        current = wanted.pop()
        if current not in definitions:
            definitions[current] = _strict(components[current])
            wanted.extend(_references(components[current]))
    return {"definitions": definitions}


def _references(schema: Schema) -> Iterator[str]:
    if isinstance(schema.get("$ref"), str):
        yield schema["$ref"].removeprefix(_PREFIX)
    for child in _children(schema):
        yield from _references(child)


def _children(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas inside a schema; a property may be called like a keyword, so maps of them are told apart."""
    yield from schema.get("properties", {}).values()
    for word in _LISTS:
        yield from schema.get(word, [])
    for word in _SINGLE:
        if isinstance(schema.get(word), dict):
            yield schema[word]


def _strict(schema: Schema) -> Schema:
    """Point references at definitions, and close every object whose properties are listed."""
    strict = dict(schema)
    if isinstance(schema.get("$ref"), str):
        strict["$ref"] = schema["$ref"].replace(_PREFIX, "#/definitions/")
    if "properties" in schema:
        strict["properties"] = {name: _strict(child) for name, child in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    for word in _LISTS:
        if word in schema:
            strict[word] = [_strict(child) for child in schema[word]]
    for word in _SINGLE:
        if isinstance(schema.get(word), dict):
            strict[word] = _strict(schema[word])
    if schema.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    return strict
