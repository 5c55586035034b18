"""What the files of a model are, and whether loading them runs code: read off the files themselves.

Tags and `MLmodel` come with the model, so they say what it would like to be. They choose which file is
looked at; what is found there decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, safe_yaml
from jupyter_mlops.formats import safetensors
from jupyter_mlops.model_files import onnx_file, pt2_file, safetensors_file, skops_file
from jupyter_mlops.model_files.refused import Refused, one_line
from jupyter_mlops.model_files.skops_trusted import TRUSTED
from jupyter_mlops.paths import UnsafePath, below, is_link

if TYPE_CHECKING:
    from pathlib import Path

SKOPS, PT2 = "model.skops", "data/model.pt2"
#: `MLmodel` is a page of YAML; a signature of thousands of columns makes it longer.
_LONGEST_MLMODEL = 16 * 1024 * 1024
#: Roughly what skops trusts by itself. The exact list costs the import of every estimator, and is asked
#: when the model is loaded.
_USUAL = re.compile(
    r"builtins\.\w+|collections\.\w+|datetime\.\w+|functools\.partial|numpy(\.\w+)*|scipy\.(special|sparse)(\.\w+)*"
    r"|sklearn(\.\w+)*\.[A-Z]\w*|sklearn\._loss\.\w+\.Cy\w+|sklearn\.ensemble\._hist_gradient_boosting\.binning\._BinMapper",
    re.ASCII,
)
_FUNCTIONS_OF_BUILTINS = re.compile(
    r"builtins\.(eval|exec|compile|open|__import__|getattr|setattr|input|breakpoint)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The format of a model's files; `why` says what keeps it from being loaded without consent."""

    format: str
    why: str = ""

    @property
    def safe(self) -> bool:
        """Whether loading it runs no code."""
        return not self.why


def flavors(content: str) -> dict[str, Any]:
    """Return the flavors of an `MLmodel` file; none where it is no such file."""
    try:
        read = safe_yaml.load(content, longest=_LONGEST_MLMODEL)
    except ValueError:
        return {}
    found = read.get("flavors") if isinstance(read, dict) else None
    return (
        {str(name): conf for name, conf in (found or {}).items() if isinstance(conf, dict)}
        if isinstance(found, dict)
        else {}
    )


def mlmodel(folder: Path) -> str:
    """Return the text of a model's `MLmodel`.

    Raises:
        OSError: it is no file of ordinary size.
    """
    return files.content(folder / "MLmodel", most=_LONGEST_MLMODEL).decode(errors="replace")


def of(folder: Path) -> Verdict:
    """Return what the files in an MLflow model's folder are."""
    try:
        named = flavors(mlmodel(folder))
        if link := next((path for path in folder.rglob("*") if is_link(path)), None):
            return Verdict("unknown", f"'{link.name}' of the model is a symbolic link")
        stamp = tuple(
            (str(path), path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
        data = named.get("onnx", {}).get("data", "model.onnx")
        if not isinstance(data, str):
            return Verdict("onnx", "its MLmodel names no file")
        return _judged(folder, frozenset(named), data, stamp)
    except (OSError, Refused) as error:
        return Verdict("unknown", str(error))


@lru_cache(maxsize=256)
def _judged(folder: Path, named: frozenset[str], onnx: str, _stamp: Any) -> Verdict:
    """Judge once for each state of the files: a list of runs asks again and again."""
    if "sklearn" in named and (folder / SKOPS).is_file():
        return _verdict("skops", lambda: _check_skops((folder / SKOPS).read_bytes()))
    if named & {"pytorch", "safetensors"} and (folder / safetensors.WEIGHTS).is_file():
        return _verdict("safetensors", lambda: _check_safetensors(folder))
    if "pytorch" in named and (folder / PT2).is_file():
        return _verdict("pt2", lambda: pt2_file.check(folder / PT2))
    if "onnx" in named:
        return _verdict("onnx", lambda: onnx_file.check(onnx_path(folder, onnx).read_bytes()))
    if named & {"sklearn", "pytorch"}:
        return Verdict("pickle", "it is a pickle")
    return Verdict(
        min(named - {"python_function"}, default="unknown"), "MLflow loads it by code that it names"
    )


def told(folder: Path) -> str:
    """Return the format that an `MLmodel` alone speaks of, for models whose files are not here."""
    named = flavors(mlmodel(folder))
    if safetensors.FLAVOR in named:
        return "safetensors"
    for flavor in ("sklearn", "pytorch"):
        if flavor in named:
            stored = str(named[flavor].get("serialization_format", ""))
            return stored if stored in {"skops", "pt2"} else "pickle"
    return "onnx" if "onnx" in named else min(named, default="unknown")


def _verdict(format: str, check: Any) -> Verdict:
    try:
        with one_line("The model"):
            check()
    except (Refused, UnsafePath) as refusal:
        return Verdict(format, str(refusal))
    return Verdict(format)


def onnx_path(folder: Path, named: object) -> Path:
    """Return the ONNX file that `MLmodel` names.

    Raises:
        UnsafePath: it is not one of the model's files.
    """
    return below(folder, named, source="The MLmodel file")


def _check_skops(content: bytes) -> None:
    strange = sorted(
        name
        for name in skops_file.types(content) - TRUSTED
        if not _USUAL.fullmatch(name) or _FUNCTIONS_OF_BUILTINS.fullmatch(name)
    )
    if strange:
        raise Refused(f"It holds types that are not on the trusted list: {', '.join(strange[:5])}")


def _check_safetensors(folder: Path) -> None:
    safetensors_file.check(folder / safetensors.WEIGHTS)
    if safetensors.needs_code(folder):
        raise Refused("Its class is kept as source")
