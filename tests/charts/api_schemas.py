"""JSON schemas for kubeconform out of the OpenAPI documents of a running API server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_PREFIX = "#/components/schemas/"


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


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_PREFIX)
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _strict(node: Any) -> Any:
    """Point references at definitions, and close every object whose properties are listed."""
    if isinstance(node, list):
        return [_strict(child) for child in node]
    if not isinstance(node, dict):
        return node
    strict = {key: _strict(child) for key, child in node.items()}
    if isinstance(strict.get("$ref"), str):
        strict["$ref"] = strict["$ref"].replace(_PREFIX, "#/definitions/")
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        strict.setdefault("additionalProperties", False)
    if node.get("x-kubernetes-int-or-string"):
        strict = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    return strict
