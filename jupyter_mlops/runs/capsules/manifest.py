"""A run's manifest: its parameters, files, seeds, hardware and packages, one JSON artifact of the run.

Another person may have written it. Packages, their sources and the indexes become the lines of a requirements
file, so a value that could end its line, be an option, or name a variable of the environment is left out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import NotFound
from jupyter_mlops.runs import query
from jupyter_mlops.runs.signatures import MANIFEST

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

_LARGEST = 16_000_000
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][\w.!+-]*", re.ASCII)
_PYTHON = re.compile(r"\d+\.\d+[\w.+-]*", re.ASCII)
#: `${NAME}` is replaced by the variable's value, which would then be sent to the address.
_SOURCE = re.compile(r"(?:editable )?(?!-)(?:(?!\$\{)\S)+")
_ADDRESS = re.compile(r"(?!-)(?:(?!\$\{)\S)+")
_INDEXES = ("index-url", "extra-index-url", "find-links")


def read(run_id: str, *, project: Project) -> dict[str, Any]:
    """Return the manifest of a run; empty if it is missing or cannot be read."""
    return parsed(content(run_id, project=project))


def content(run_id: str, *, project: Project) -> bytes:
    """Return the manifest of a run as it is stored; empty if it is missing."""
    try:
        return files.content(query.artifact(run_id, MANIFEST, project=project), most=_LARGEST)
    except (NotFound, OSError):
        return b""


def parsed(content: bytes) -> dict[str, Any]:
    """Return a stored manifest, without what we did not write; empty if it cannot be read."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    known = {
        "packages": _texts(found.get("packages"), _VERSION),
        "sources": _texts(found.get("sources"), _SOURCE),
        "indexes": _indexes(found.get("indexes")),
        "hardware": _hardware(found.get("hardware")),
    }
    # An older run has no sources: that is not the same as none.
    return found | {name: value for name, value in known.items() if name in found}


def _texts(value: Any, form: re.Pattern[str]) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in items if _NAME.fullmatch(name) and _is(text, form)}


def _is(value: Any, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and value.isprintable() and form.fullmatch(value) is not None


def _indexes(value: Any) -> dict[str, list[str]]:
    found = {}
    for name in _INDEXES:
        urls = value.get(name) if isinstance(value, dict) else None
        if isinstance(urls, list):
            found[name] = [url for url in urls if _is(url, _ADDRESS)]
    return found


def _hardware(value: Any) -> dict[str, Any]:
    items = value.items() if isinstance(value, dict) else ()
    found = {
        name: item
        for name, item in items
        if isinstance(item, (str, int, float))
        or (isinstance(item, list) and all(isinstance(part, str) for part in item))
    }
    if not _PYTHON.fullmatch(str(found.get("python", ""))):
        found.pop("python", None)
    return found
