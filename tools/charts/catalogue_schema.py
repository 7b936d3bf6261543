"""Derives the schema of the voice-models chart's values from the VoiceModel CRD."""

from typing import Any

Schema = dict[str, Any]

# What a CRD's schema says in ways that JSON Schema doesn't know, or that only the API server can act on.
_NOT_JSON_SCHEMA = frozenset({"nullable", "default", "example", "externalDocs"})
# Others (int32, int64) name Go types.
_KNOWN_FORMATS = frozenset({"date-time"})


def catalogue_schema(crd: Schema) -> Schema:
    """Return the draft-07 schema of `charts/voice-models/values.yaml` for a VoiceModel CRD."""
    [version] = [version for version in crd["spec"]["versions"] if version["storage"]]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the voice-models chart, derived from the VoiceModel CRD",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": {
                "description": "Part of a VoiceModel's spec that every entry starts from.",
                "$ref": "#/definitions/spec",
            },
            "voiceModels": {
                "description": "VoiceModels by name.",
                "type": "object",
                "propertyNames": {"pattern": "^[a-z]([a-z0-9-]*[a-z0-9])?$", "maxLength": 52},
                "additionalProperties": {"$ref": "#/definitions/entry"},
            },
            "global": {
                "description": "Helm gives every chart this key; this one reads nothing from it.",
                "type": "object",
            },
        },
        "definitions": {"entry": _entry_schema(), "spec": json_schema(spec, partial=True)},
    }


def _entry_schema() -> Schema:
    string_map = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "enabled": {"description": "Whether the VoiceModel is created; true unless given.", "type": "boolean"},
            "labels": {"description": "Labels of the VoiceModel.", **string_map},
            "annotations": {"description": "Annotations of the VoiceModel.", **string_map},
            "spec": {"description": "The VoiceModel's spec, laid over defaults.", "$ref": "#/definitions/spec"},
        },
    }


def json_schema(node: Schema, *, partial: bool) -> Schema:
    """Translate a CRD's structural schema into JSON Schema.

    With `partial`, maps may lack what is required: the defaults can supply it, and the API server has the last
    word. Items of lists are never merged, so theirs is kept.
    """
    kept = {
        key: value for key, value in node.items() if key not in _NOT_JSON_SCHEMA and not key.startswith("x-kubernetes-")
    }
    if node.get("x-kubernetes-int-or-string"):
        kept["type"] = ["integer", "string"]
    if partial:
        kept.pop("required", None)
    if kept.get("format") not in _KNOWN_FORMATS:
        kept.pop("format", None)
    if "items" in kept:
        kept["items"] = json_schema(kept["items"], partial=False)
    if "properties" in kept:
        kept["properties"] = {name: json_schema(child, partial=partial) for name, child in kept["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            kept["additionalProperties"] = False
    elif isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = json_schema(kept["additionalProperties"], partial=partial)
    return kept
