"""Where packages come from: the indexes configured for pip and uv, and the packages that came from no index.

A version alone does not say where to get it (`torch 2.13.0+cpu` is not on the default index). So a run records
both, without user names, passwords and tokens.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_mlops.secrets.redaction import redact
from jupyter_mlops.urls import without_login

#: Option in a requirements file → the variables that set it, those with priority first.
_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS", "PIP_FIND_LINKS"),
}
_NAMED = re.compile(r"^[\w-]+=(?=\w+://)")  # uv's `name=URL`


def options(*, credentials: bool = False) -> dict[str, list[str]]:
    """Return the index options of this environment, by their names in a requirements file.

    Args:
        credentials: keep the credentials in URLs; never use this for what is stored.
    """
    configured = _configured()
    found: dict[str, list[str]] = {}
    for name, variables in _VARIABLES.items():
        values = [
            word
            for variable in variables
            for word in re.split(r"[\s,]+", os.environ.get(variable, ""))
            if word
        ] + configured.get(name, "").split()
        urls = [_NAMED.sub("", word) for word in values]
        if not credentials:
            urls = [without_credentials(url) for url in urls]
        if name == "index-url":
            urls = urls[:1]
        if urls:
            found[name] = [*dict.fromkeys(urls)]
    return found


def certificate() -> str:
    """Return the certificate file in pip's configuration, or an empty text."""
    return os.environ.get("PIP_CERT", "") or _configured().get("cert", "")


def sources() -> dict[str, str]:
    """Return name → source, for the packages that were not installed from an index.

    A source is a requirement's URL (`git+https://…@COMMIT`, `file:///…whl`) or `editable file:///…`.
    """
    # Cached, because 330 packages are 330 files to look for; each installation changes a folder's time.
    return dict(_sources(tuple((folder, _time(folder)) for folder in sys.path)))


@lru_cache(maxsize=4)
def _sources(folders: tuple[tuple[str, int], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, _ in folders:
        try:
            with os.scandir(folder) as entries:
                places = [entry for entry in entries if entry.name.endswith(".dist-info")]
        except OSError:
            continue
        for place in places:
            try:
                text = Path(place.path, "direct_url.json").read_text(encoding="utf-8")
                name = place.name.rpartition("-")[0].rpartition("-")[0].replace("_", "-")
                found.setdefault(name, _source(json.loads(text)))
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found


def _time(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def without_credentials(url: str) -> str:
    """Return a URL without its credentials and its query; a path without secrets in it."""
    return redact(without_login(url))


def _source(direct: dict[str, Any]) -> str:
    url = without_credentials(direct["url"])
    if "vcs_info" in direct:
        return f"{direct['vcs_info']['vcs']}+{url}@{direct['vcs_info']['commit_id']}"
    if direct.get("dir_info", {}).get("editable"):
        return f"editable {url}"
    return url


def _configured() -> dict[str, str]:
    """Return the options in pip's configuration files; later files have priority."""
    home = Path.home()
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        settings / "pip" / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    if own := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(own))
    found: dict[str, str] = {}
    for file in files:
        reader = configparser.RawConfigParser()
        try:
            reader.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if reader.has_section(section):
                found |= {key.replace("_", "-"): text for key, text in reader.items(section)}
    return found
