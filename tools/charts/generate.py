"""Writes what the charts copy: the CRDs, the catalogue's schema and the table of values in a README.

`python -m tools.charts.generate` from the repository's root; a test compares the result with what is committed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tools.charts.catalogue_schema import catalogue_schema

ROOT = Path(__file__).resolve().parents[2]
TABLE_START = "<!-- values: written by tools/charts/generate.py -->"
TABLE_END = "<!-- end of values -->"


@dataclass(frozen=True)
class Row:
    """One line of a README's table of values."""

    path: str
    default: str
    description: str


def generated_files(root: Path = ROOT) -> dict[Path, bytes]:
    """Return what each generated file should hold, by its path relative to the root."""
    canonical = {path: path.read_bytes() for path in sorted((root / "crds").glob("*.yaml"))}
    files = {Path("charts/timbre/files/crds") / path.name: content for path, content in canonical.items()}

    voicemodel = next(
        crd for crd in map(yaml.safe_load, canonical.values()) if crd["spec"]["names"]["kind"] == "VoiceModel"
    )
    schema_path = Path("charts/voice-models/values.schema.json")
    files[schema_path] = _as_json(catalogue_schema(voicemodel))

    timbre = Path("charts/timbre")
    schema = json.loads((root / timbre / "values.schema.json").read_bytes())
    defaults = yaml.safe_load((root / timbre / "values.yaml").read_bytes())
    files[timbre / "README.md"] = _with_table(
        (root / timbre / "README.md").read_text(), list(_rows(schema, schema, defaults))
    ).encode()
    return files


def _as_json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _rows(node: dict[str, Any], schema: dict[str, Any], defaults: dict[str, Any], prefix: str = "") -> Iterator[Row]:
    """Yield a row for each leaf that has a default, in the schema's order."""
    for name, given in _resolved(node, schema).get("properties", {}).items():
        if name not in defaults:
            continue
        path = f"{prefix}{name}"
        child = _resolved(given, schema)
        if isinstance(defaults[name], dict) and "properties" in child and defaults[name]:
            yield from _rows(child, schema, defaults[name], f"{path}.")
        else:
            yield Row(path, json.dumps(defaults[name]), child["description"])


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a local $ref, keeping the description given beside it."""
    if "$ref" not in node:
        return node
    target = schema["definitions"][node["$ref"].removeprefix("#/definitions/")]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _with_table(readme: str, rows: list[Row]) -> str:
    before, _, rest = readme.partition(TABLE_START)
    _, _, after = rest.partition(TABLE_END)
    lines = [f"| `{row.path}` | `{row.default}` | {row.description} |" for row in rows]
    table = "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *lines])
    return f"{before}{TABLE_START}\n{table}\n{TABLE_END}{after}"


def main() -> None:
    """Write every generated file that differs."""
    for path, content in generated_files().items():
        target = ROOT / path
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
