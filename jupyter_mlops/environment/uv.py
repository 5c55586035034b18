"""Use uv: find it, find an interpreter with it, and install packages from a run's indexes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.environment import package_indexes
from jupyter_mlops.errors import BackendFailed, MlopsError, NotFound
from jupyter_mlops.text import cut
from jupyter_mlops.urls import hide_logins

if TYPE_CHECKING:
    from collections.abc import Callable

_OFFLINE = re.compile(r"error sending request|dns error|Failed to fetch|Connection refused")
_BECAUSE = re.compile(r"Because (?P<reason>.+?)(?: and you require |, we can conclude )")
_BETWEEN_LINES = 5.0  # seconds
_LONGEST = 200


def command() -> list[str]:
    """Return the command that starts uv.

    Raises:
        MlopsError: uv is not installed.
    """
    if path := shutil.which("uv"):
        return [path]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-P", "-m", "uv"]
    raise MlopsError(
        "Building the run's environment needs uv, which is not installed", "Type: pip install uv"
    )


def interpreter(minor: str) -> str:
    """Return a Python of version `minor` (`3.12`).

    Raises:
        NotFound: there is none on this machine.
    """
    found = subprocess.run(
        [*command(), "python", "find", "--no-project", "--system", minor],
        capture_output=True, text=True, check=False, env=_environment(),
    )  # fmt: skip
    if found.returncode:
        raise NotFound(
            f"The run used Python {minor}, which is not on this machine",
            f"Type: uv python install {minor}",
        )
    return found.stdout.strip()


def install(
    requirements: dict[str, str],
    python: Path,
    known: dict[str, list[str]],
    say: Callable[[str], None],
) -> dict[str, str]:
    """Install requirements without their dependencies; return those that failed, with the reason.

    Args:
        requirements: name → requirement.
        python: the Python of the environment to install into.
        known: index options to use in addition to this machine's own.
        say: receives the progress lines.

    Raises:
        BackendFailed: an index cannot be reached.
    """
    if not requirements:
        return {}
    error = _try(requirements, python, known, say)
    if error is None:
        return {}
    if _OFFLINE.search(error):
        raise BackendFailed(f"A package index cannot be reached: {_last(error)}", "Try again")
    if len(requirements) == 1:
        return dict.fromkeys(requirements, _last(error))
    # uv installs all or nothing. The packages that its message names are most often the cause.
    named = {key: text for key, text in requirements.items() if _names(error, key)}
    if not named or len(named) == len(requirements):
        half = len(requirements) // 2
        named = dict([*requirements.items()][:half])
    rest = {key: text for key, text in requirements.items() if key not in named}
    return install(named, python, known, say) | install(rest, python, known, say)


def _try(
    requirements: dict[str, str],
    python: Path,
    known: dict[str, list[str]],
    say: Callable[[str], None],
) -> str | None:
    """Install all of them or none; return uv's error message if none."""
    lines = [
        f"--{name} {url}"
        for name, urls in _merged(known, package_indexes.options(credentials=True)).items()
        for url in urls
        if _is_there(url)
    ]
    # Through standard input: a URL may contain a password, and every process can read the arguments.
    input_text = "\n".join([*lines, *requirements.values()])
    arguments = [
        *command(), "pip", "install", "--python", str(python), "--no-deps", "--no-progress",
        # As pip does: take a version from any index that has it.
        "--index-strategy", "unsafe-best-match", "--requirements", "-",
    ]  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, env=_environment(), cwd=python.parent.parent,
    )  # fmt: skip
    text: str | None = input_text
    try:
        while True:
            try:
                _, stderr = process.communicate(text, timeout=_BETWEEN_LINES)
            except subprocess.TimeoutExpired:
                text = None  # already sent
                took = time.monotonic() - started
                say(f"environment: {len(requirements)} packages from the index … {took:.0f} s")
            else:
                return stderr if process.returncode else None
    except BaseException:
        process.kill()
        process.wait()
        raise


def _merged(known: dict[str, list[str]], own: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return this machine's options, whose URLs may have credentials, followed by the run's."""
    merged = {name: [*urls] for name, urls in own.items()}
    for name, urls in known.items():
        all_urls = merged.setdefault(name, [])
        have = {package_indexes.without_credentials(url) for url in all_urls}
        new = [url for url in urls if url not in have]
        if name == "index-url" and all_urls:  # only one is possible; more are extra indexes
            merged.setdefault("extra-index-url", []).extend(new)
        else:
            all_urls += new
    return merged


def _is_there(url: str) -> bool:
    """Whether a URL is not a missing folder; uv fails if a folder is missing."""
    path = url.removeprefix("file://")
    return "://" in path or Path(path).expanduser().exists()


def _environment() -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if "SSL_CERT_FILE" not in environment and (certificate := package_indexes.certificate()):
        environment["SSL_CERT_FILE"] = certificate
    return environment


def _names(error: str, name: str) -> bool:
    return bool(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", error, re.IGNORECASE))


def _last(error: str) -> str:
    """Return the reason in uv's message as one line, without its box characters."""
    lines = [line.strip(" ╰─▶│├×✕") for line in error.strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("hint:", "Using Python"))]
    text = hide_logins(" ".join(lines))
    if found := _BECAUSE.search(text):
        text = found["reason"]
    return cut(text, _LONGEST)
