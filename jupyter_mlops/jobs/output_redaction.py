"""What is kept and shown of an execution, without its secrets; the kernel gets them as they are."""

from __future__ import annotations

import ast
import copy
import json
from pathlib import Path
from typing import Any

from jupyter_mlops import files
from jupyter_mlops.secrets import redaction

_BINARY = ("image/", "video/", "audio/", "application/pdf")
_MARKUP = "image/svg+xml"
_LARGEST_LOG = 5_000_000
#: Evaluated in the kernel: its variables that may be secrets.
NAMED = (
    "__import__('json').dumps({k: v for k, v in [*globals().items()] if type(v) is str"
    " and 7 < len(v) < 20000 and __import__('re').search('(?i)pass|pwd|pw|secret|token|key|cred', k)})"
)


def params(given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with `***` for those that are secrets; the others keep their types."""
    hidden = {name: redaction.redact(str(value), key=name) for name, value in given.items()}
    return {
        name: value if hidden[name] == str(value) else hidden[name] for name, value in given.items()
    }


def notebook(content: Any) -> Any:
    """Return a copy of a notebook without the secrets in its cells, outputs and parameters."""
    clean = copy.deepcopy(content)
    told = clean.metadata.get("papermill", {})
    if "parameters" in told:
        told["parameters"] = params(told["parameters"])
    for cell in clean.cells:
        cell.source = redaction.redact(cell.source)
        for output in cell.get("outputs", ()):
            _output(output)
    return clean


def learn(answer: dict[str, Any]) -> None:
    """Remember the secrets among the variables that a kernel answered `NAMED` with."""
    told = ast.literal_eval(answer["data"]["text/plain"])
    redaction.learn((), json.loads(told))


def log(path: Path) -> None:
    """Take secrets out of what a kernel wrote outside of its cells."""
    try:
        text = path.read_text(errors="replace") if path.stat().st_size <= _LARGEST_LOG else ""
    except OSError:
        return
    clean = redaction.redact(text)
    if clean != text:
        files.replace(path, clean)


def _output(output: Any) -> None:
    for part in ("text", "evalue"):
        if part in output:
            output[part] = redaction.redact("".join(output[part]))
    if "traceback" in output:
        # One text: a key of several lines is seen as one.
        output["traceback"] = redaction.redact("\n".join(output["traceback"])).split("\n")
    for kind, value in output.get("data", {}).items():
        if not kind.startswith(_BINARY) or kind == _MARKUP:
            output["data"][kind] = (
                redaction.redact("".join(value))
                if isinstance(value, str) or kind.startswith("text/")
                else redaction.redact_json(value)
            )
