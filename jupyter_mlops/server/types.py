"""Write the panel's TypeScript types from the pydantic models.

Run it as `python -m jupyter_mlops.server.types`. With `--check` it writes nothing, and fails if the committed file
is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from jupyter_mlops.drift.records import DriftReport
from jupyter_mlops.runs.records import Run, RunDetail
from jupyter_mlops.server.handlers import LISTS
from jupyter_mlops.server.records import CHANGE_SCHEMA, Change, Failure, ProjectStatus

WIRE = (
    ProjectStatus,
    Failure,
    Change,
    Run,
    RunDetail,
    DriftReport,
    *(getattr(package, record) for package, _, record in LISTS.values()),
)
TARGET = Path(__file__).parents[2] / "labextension" / "src" / "types.gen.ts"
HEADING = """\
// Written by `python -m jupyter_mlops.server.types` from the pydantic models; not edited by hand.

"""


def typescript() -> str:
    """Return one TypeScript interface per REST model, in alphabetical order."""
    _, schema = models_json_schema([(model, "serialization") for model in WIRE])
    definitions = schema["$defs"]
    interfaces = "\n".join(_interface(name, definitions[name]) for name in sorted(definitions))
    return f"{HEADING}export const CHANGE_SCHEMA = '{CHANGE_SCHEMA}';\n\n{interfaces}"


def _interface(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    fields = "".join(
        f"  {field}{'' if field in required else '?'}: {_type(kind)};\n"
        for field, kind in schema.get("properties", {}).items()
    )
    summary = " ".join(schema.get("description", "").split("\n\n")[0].split())
    return f"/** {summary} */\nexport interface {name} {{\n{fields}}}\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema or "const" in schema:
        return " | ".join(_literal(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    match schema.get("type"):
        case "string":
            return "string"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "boolean"
        case "null":
            return "null"
        case "array":
            item = _type(schema.get("items", {}))
            return f"({item})[]" if "|" in item else f"{item}[]"
        case "object":
            return f"{{ [key: string]: {_type(_values(schema))} }}"
        case _:
            return "unknown"


def _values(schema: dict[str, Any]) -> dict[str, Any]:
    values = schema.get("additionalProperties", {})
    return values if isinstance(values, dict) else {}


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def main(arguments: list[str]) -> int:
    """Write the file, or compare it with `--check`."""
    content = typescript()
    if "--check" not in arguments:
        TARGET.write_text(content, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == content:
        return 0
    sys.stderr.write(f"{TARGET.name} is out of date. Type: python -m jupyter_mlops.server.types\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
