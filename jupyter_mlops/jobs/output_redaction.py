"""Remove secrets from the stored and shown parts of an execution; the kernel gets the real values."""

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
#: Evaluated in the kernel: returns the variables that may be secrets.
NAMED = (
    "__import__('json').dumps({k: v for k, v in [*globals().items()] if type(v) is str"
    " and 7 < len(v) < 20000 and __import__('re').search('(?i)pass|pwd|pw|secret|token|key|cred', k)})"
)


def params(given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with `***` in place of secrets; other values keep their types."""
    hidden = {name: redaction.redact(str(value), key=name) for name, value in given.items()}
    return {
        name: value if hidden[name] == str(value) else hidden[name] for name, value in given.items()
    }


def notebook(content: Any) -> Any:
    """Return a copy of a notebook without the secrets in its cells, outputs and parameters."""
    clean = copy.deepcopy(content)
    recorded = clean.metadata.get("papermill", {})
    if "parameters" in recorded:
        recorded["parameters"] = params(recorded["parameters"])
    for cell in clean.cells:
        cell.source = redaction.redact(cell.source)
        for output in cell.get("outputs", ()):
            _output(output)
    return clean


def learn(answer: dict[str, Any]) -> None:
    """Register the secrets in a kernel's answer to `NAMED`."""
    recorded = ast.literal_eval(answer["data"]["text/plain"])
    redaction.learn((), json.loads(recorded))


def log(path: Path) -> None:
    """Remove secrets from a kernel's log file."""
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
        # Joined: a key of several lines is found only in the whole text.
        output["traceback"] = redaction.redact("\n".join(output["traceback"])).split("\n")
    for kind, value in output.get("data", {}).items():
        if not kind.startswith(_BINARY) or kind == _MARKUP:
            output["data"][kind] = (
                redaction.redact("".join(value))
                if isinstance(value, str) or kind.startswith("text/")
                else redaction.redact_json(value)
            )
