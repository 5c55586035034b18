"""`MLmodel`, the untrusted YAML file in a model's folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, safe_yaml

if TYPE_CHECKING:
    from pathlib import Path

#: The flavours of an `MLmodel`: settings by name.
Flavors = dict[str, dict[str, Any]]
#: In bytes; a signature of thousands of columns is long.
_LONGEST = 16 * 1024 * 1024


def text(folder: Path) -> str:
    """Return the text of a model's `MLmodel`.

    Raises:
        OSError: it is not a regular file, or is too large.
    """
    return files.content(folder / "MLmodel", most=_LONGEST).decode(errors="replace")


def flavors(content: str) -> Flavors:
    """Return the flavours that an `MLmodel` names; none if the content is invalid."""
    found = _read(content).get("flavors")
    if not isinstance(found, dict):
        return {}
    return {str(name): conf for name, conf in found.items() if isinstance(conf, dict)}


def inputs(content: str) -> list[dict[str, str]]:
    """Return the inputs of the signature as {name, type}; none if there is no signature.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is damaged.
    """
    raw = (_read(content).get("signature") or {}).get("inputs")
    return [_input(item) for item in json.loads(raw)] if raw else []


def metadata(content: str, name: str) -> dict[str, Any]:
    """Return the metadata with a name."""
    found = (_read(content).get("metadata") or {}).get(name) or {}
    return dict(found)


def _read(content: str) -> dict[str, Any]:
    try:
        read = safe_yaml.load(content, longest=_LONGEST)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _input(item: dict[str, Any]) -> dict[str, str]:
    name = str(item.get("name", ""))
    if item.get("type") == "tensor":
        spec = item["tensor-spec"]
        shape = "×".join(str(size) for size in spec["shape"])
        return {"name": name, "type": f"{spec['dtype']}[{shape}]"}
    return {"name": name, "type": str(item.get("type", ""))}
