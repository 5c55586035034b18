"""The packages of a run that somebody else recorded become lines of a requirements file, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops.runs.capsules import manifest

if TYPE_CHECKING:
    from tests.trials import Trials

HOSTILE: list[Any] = [
    "1.0\n--index-url http://127.0.0.1:9/simple", "1.0\r--extra-index-url http://x", "1.0 --hash=x", "1.0 ; x",
    "-r /etc/passwd", "--index-url=http://x", "-e .", "${MLFLOW_TRACKING_TOKEN}", "http://x/${AWS_SECRET_ACCESS_KEY}/y",
    "git+http://x/${HOME}@a", "a b", "", " ", "\0", None, 1, 1e999, True, [], {}, ["1.0"], {"a": "b"}, "\u2028", "-",
]  # fmt: skip
NAMES = [
    "numpy",
    "-r /etc/passwd",
    "x\n--pre",
    "--index-url http://x",
    "",
    "a b",
    "${HOME}",
    "x @ file:///etc",
    "\0",
]


def test_a_manifest_adds_no_option_and_no_secret(trials: Trials) -> None:
    given: list[str] = []
    texts: list[dict[str, Any]] = [
        {key: {name: value}}
        for key in ("packages", "sources")
        for name in NAMES
        for value in HOSTILE
    ]
    texts += [{"packages": {"numpy": "1.0"}, "sources": {"numpy": value}} for value in HOSTILE]
    texts += [
        {"indexes": {name: urls}}
        for name in ("index-url", "find-links", "requirement", "editable", "x\n--pre")
        for value in HOSTILE
        for urls in ([value], value)
    ]
    texts += [{"hardware": {"python": value}} for value in HOSTILE]
    texts += [
        {key: value} for key in ("packages", "sources", "indexes", "hardware") for value in HOSTILE
    ]
    for text in texts:
        known = manifest.parsed(json.dumps(text).encode())
        python = known.get("hardware", {}).get("python", "3.11")
        assert python[0].isdigit(), text
        given += lines(known)
    for line in given:
        assert line.isprintable(), line
        assert not line.startswith("-"), line
        assert "${" not in line, line
    assert (
        manifest.parsed(b"[" * 100_000) == manifest.parsed(b"\xff") == manifest.parsed(b"1") == {}
    )
    trials("hostile manifests", len(texts), "no option, no variable")


def lines(known: dict[str, Any]) -> list[str]:
    """Return what of a manifest reaches the installer."""
    return [
        *(f"{name}=={version}" for name, version in known.get("packages", {}).items()),
        *known.get("sources", {}).values(),
        *(url for urls in known.get("indexes", {}).values() for url in urls),
    ]
