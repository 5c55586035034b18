"""The picture of the rooms, made from the import contract that `make check` holds the code to."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jupyter_mlops.magics import parser

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jupyter_mlops"


@dataclass(frozen=True, slots=True)
class Contract:
    """The import contract: layers from the top down, each a list of rooms, and the names of the other rules."""

    layers: tuple[tuple[str, ...], ...]
    rules: tuple[str, ...]


def contract(settings: Path = ROOT / "pyproject.toml") -> Contract:
    """Read the contract from `pyproject.toml`.

    Raises:
        ValueError: there is not exactly one contract of layers for the whole package.
    """
    found: list[dict[str, Any]] = tomllib.loads(settings.read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    whole = [item for item in found if item["type"] == "layers" and _of_the_package(item)]
    if len(whole) != 1:
        raise ValueError(
            f"{len(whole)} contracts of layers for {PACKAGE.name}: the picture needs one"
        )
    return Contract(
        tuple(_rooms(layer) for layer in whole[0]["layers"]),
        tuple(item["name"] for item in found if item is not whole[0]),
    )


def _of_the_package(item: dict[str, Any]) -> bool:
    return item.get("containers", [PACKAGE.name]) == [PACKAGE.name]


def _rooms(layer: str | list[str]) -> tuple[str, ...]:
    """Split a layer as import-linter does: `a | b` or `a : b`, and `(a)` for a room that need not be there."""
    parts = re.split(r"[|:]", layer) if isinstance(layer, str) else layer
    return tuple(part.strip(" ()").removeprefix(f"{PACKAGE.name}.") for part in parts)


def picture(held: Contract | None = None) -> str:
    """Return the layers as HTML: a band for each layer, the top one first."""
    held = held or contract()
    bands = "\n".join(
        '<li class="layer">' + "".join(_box(room) for room in layer) + "</li>"
        for layer in held.layers
    )
    return f'<ol class="layers" aria-label="Layers, from the top down">\n{bands}\n</ol>'


def _box(room: str) -> str:
    kind = "room noun" if room.removesuffix("s") in parser.NOUNS or room in parser.NOUNS else "room"
    return f'<span class="{kind}">{escape(room)}</span>'


def table(held: Contract | None = None) -> str:
    """Return what each room holds as a Markdown table, from the first line of its docstring."""
    held = held or contract()
    lines = ["| room | what it holds |", "| --- | --- |"]
    lines += [
        f"| `{room}` | {_docstring(room)} |"
        for layer in held.layers
        for room in layer
        if purpose(room)
    ]
    return "\n".join(lines)


def rules(held: Contract | None = None) -> str:
    """Return the contract's other rules as a Markdown list."""
    return "\n".join(f"- {rule}" for rule in (held or contract()).rules)


def purpose(room: str) -> str:
    """Return the first line of a room's docstring; empty if it has none."""
    path = PACKAGE / room / "__init__.py"
    path = path if path.exists() else PACKAGE / f"{room}.py"
    if not path.exists():
        return ""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _docstring(room: str) -> str:
    # Code in backticks shows `<` as it is; elsewhere it would begin a tag.
    parts = purpose(room).replace("|", "\\|").split("`")
    return "`".join(
        part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts)
    )
