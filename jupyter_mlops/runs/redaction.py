"""Secrets are replaced before anything is stored."""

from __future__ import annotations

import os
import re

_SENSITIVE = re.compile(
    r"(?i)(?:^|[_\-.])(?:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key|"
    r"credentials?)(?:$|[_\-.])"
)
_SHORTEST = 8
HIDDEN = "***"


def redact(text: str, *, key: str = "") -> str:
    """Return `text` without secrets.

    A value is secret when its `key` names one; and the value of any environment variable with such
    a name is removed wherever it appears.
    """
    if key and _SENSITIVE.search(key):
        return HIDDEN
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value in text and _SENSITIVE.search(name):
            text = text.replace(value, HIDDEN)
    return text
