"""Prepares a kernel for a replay: code that must not run a second time is skipped and noted.

Runs inside the scratch kernel. Installers, `%mlops` lines and shell commands that are not known to be
harmless are not executed again. Each is noted once; `notes` returns them afterwards.
"""

from __future__ import annotations

import builtins
import importlib
import json
import re
import shlex
import sys
from typing import Any

from jupyter_mlops.runs.capsules.history import GENERATORS, generator_state, set_generator
from jupyter_mlops.runs.capsules.import_watch import ImportWatch
from jupyter_mlops.text import one_line

# Commands that only read, or that create something in the working folder.
_HARMLESS = {
    "basename", "cat", "cut", "date", "df", "dirname", "du", "echo", "find", "free", "grep", "head",
    "hostname", "ls", "lscpu", "mkdir", "nproc", "nvidia-smi", "printf", "pwd", "seq", "sort", "tail",
    "touch", "tr", "true", "uname", "uniq", "wc", "which", "whoami",
}  # fmt: skip
_INSTALLERS = ("pip", "conda", "mamba", "micromamba", "uv")
_SCRIPTS = ("bash", "sh", "script", "system", "sx", "!", "perl", "ruby")
_SEPARATORS = re.compile(r"\|\||&&|[|;]")
_OUTSIDE = re.compile(r"(?:^|[\s=<>])(?:~|/(?!dev/null))|\.\.|\$\(|`")

_notes: dict[str, None] = {}
#: The generators' states as they were last set, and the generators that drew numbers since.
_set: dict[str, Any] = {}
_drawn: set[str] = set()
#: States of generators whose modules no cell has imported yet.
_later: dict[str, Any] = {}


def prepare(shell: Any) -> None:
    """Load the extension into `shell`, and replace commands that must not run again."""
    shell.extension_manager.load_extension("jupyter_mlops")
    _watch_imports()
    magics = shell.magics_manager.magics

    def skipped(name: str) -> Any:
        def magic(line: str = "", cell: str | None = None) -> None:
            _note(f"%{name} {line}" if cell is None else f"%%{name} {line}")

        return magic

    for name in (*_INSTALLERS, "mlops"):
        magics["line"][name] = skipped(name)
    for name in _SCRIPTS:
        magics["cell"][name] = skipped(name)
    magics["line"]["sx"] = magics["line"]["system"] = skipped("sx")
    system, getoutput = shell.system, shell.getoutput

    def run_system(command: str) -> None:
        if _is_harmless(command):
            system(command)
        else:
            _note(f"!{command}")

    def run_getoutput(command: str, *given: Any, **named: Any) -> Any:
        if _is_harmless(command):
            return getoutput(command, *given, **named)
        _note(f"!{command}")
        return []

    shell.system, shell.getoutput = run_system, run_getoutput


def before_the_recorded_cell(shell: Any) -> None:
    """Restore the real `%%mlops`, and import its modules now: imports draw random numbers, too."""
    _look_at_generators()
    from jupyter_mlops.tracking.mlflow_import import import_mlflow

    import_mlflow()
    importlib.import_module(GENERATORS["numpy"])  # NumPy imports it at the first use
    shell.extension_manager.reload_extension("jupyter_mlops")


def set_generators(states: dict[str, Any]) -> None:
    """Set random generators to recorded states; those that are not imported yet, at their import."""
    for name, state in states.items():
        if GENERATORS[name] in sys.modules:
            set_generator(name, state)
            _set[name] = state
        else:
            if name not in _later:
                ImportWatch([GENERATORS[name]], _arrived)
            _later[name] = state


def _arrived(module: str) -> None:
    for name in [name for name in _later if GENERATORS[name] == module]:
        set_generators({name: _later.pop(name)})


def _look_at_generators() -> None:
    _drawn.update(name for name, state in _set.items() if generator_state(name) != state)


def _watch_imports() -> None:
    """Ignore the draws of an import: scikit-learn's import draws from `random`."""
    original = builtins.__import__
    depth = 0

    def watched(name: str, *given: Any, **named: Any) -> Any:
        nonlocal depth
        if depth or name in sys.modules:
            return original(name, *given, **named)
        _look_at_generators()
        depth += 1
        try:
            return original(name, *given, **named)
        finally:
            depth -= 1
            _set.update((key, generator_state(key)) for key in {*_set} - _drawn)

    builtins.__import__ = watched


def notes() -> str:
    """Return the skipped commands, as JSON."""
    return json.dumps([*_notes])


def outcome(name: str) -> str:
    """Return the outcome of the run `name` in the scratch project, as JSON; numbers by their repr."""
    from jupyter_mlops import runs

    _look_at_generators()
    run = runs.get(name)
    return json.dumps(
        {
            "status": run.status,
            "error": run.error,
            "metrics": {key: repr(value) for key, value in run.metrics.items()},
            "drew": sorted(_drawn),
            "outputs": {use.path: use.version for use in run.data if use.role == "output"},
        }
    )


def _is_harmless(command: str) -> bool:
    if _OUTSIDE.search(command) or "\n" in command:
        return False
    for part in _SEPARATORS.split(command):
        try:
            words = shlex.split(part)
        except ValueError:
            return False
        if not words or words[0] not in _HARMLESS or {"-exec", "-delete", "-execdir"} & {*words}:
            return False
    return True


def _note(line: str) -> None:
    shown = one_line(line, 80)
    if not shown.startswith(("%mlops", "%%mlops")):
        _notes[shown] = None
