"""Compares two runs factor by factor, and builds capsules with some factors of each.

code         the cells without their literals, the project's modules, the working folder
parameters   literals in the cells (`programs` has the rule), and files that hold settings
data         the versions of files that both have, and the strings that name them
random state the states of the generators, if the cells draw from them
environment  Python and the packages

A file that only one of the two runs read is in every replay: no other version of it is known.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from jupyter_mlops.cells.programs import Exchange, Program
from jupyter_mlops.replays.why import file_trees
from jupyter_mlops.runs.capsules.capsule import Capsule, body, is_elsewhere
from jupyter_mlops.runs.records import DataUse

if TYPE_CHECKING:
    from collections.abc import Collection

    from jupyter_mlops.cells.programs import Kind
    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

CODE, PARAMETERS, DATA = "code", "parameters", "data"
RANDOM, ENVIRONMENT = "random state", "environment"
#: In the order in which they are shown and swapped; the environment costs most and is last.
FACTORS = (CODE, PARAMETERS, DATA, RANDOM, ENVIRONMENT)
_OURS = "jupyter-mlops"


@dataclass
class ComparedRun:
    """One of the two runs. `drew` names the generators that its replay drew from."""

    detail: RunDetail
    capsule: Capsule
    manifest: dict[str, Any] = field(default_factory=dict)
    drew: list[str] = field(default_factory=list)

    @cached_property
    def program(self) -> Program:
        """The cells as a program."""
        return Program.of(body(cell) for cell in self.capsule.cells)

    def recorded(self, metric: str) -> float:
        """Return a metric as the run recorded it."""
        value = self.detail.metrics[metric]
        return math.nan if value is None else value

    @property
    def packages(self) -> dict[str, str]:
        """The versions of Python and of the installed packages, without our own."""
        found = {
            name.lower(): str(version)
            for name, version in self.manifest.get("packages", {}).items()
            if name.lower().replace("_", "-") != _OURS
        }
        python = self.manifest.get("hardware", {}).get("python", "")
        return {"python": python, **found} if found else {}


class FactorSwaps:
    """The differences between A and B, and capsules of A with some factors of B."""

    def __init__(self, project: Project, a: ComparedRun, b: ComparedRun) -> None:
        self.project = project
        self.a, self.b = a, b
        self.files = self._changed_files()
        self.uses = self._changed_uses()
        names = self._data_names()
        self.into_a = Exchange(a.program, b.program, names)
        self.into_b = Exchange(b.program, a.program, names)
        lines = {
            CODE: self._code(),
            PARAMETERS: self._literals("parameters") + self._paths(PARAMETERS),
            DATA: self._literals("data") + self._paths(DATA),
            RANDOM: self._random(),
            ENVIRONMENT: self._packages(),
        }
        #: The factors that differ, each with its differences.
        self.differing = {name: [*dict.fromkeys(lines[name])] for name in FACTORS if lines[name]}

    def capsule(self, swapped: Collection[str]) -> Capsule:
        """Return A's capsule with the factors `swapped` taken from B."""
        base, other = (self.b, self.a) if CODE in swapped else (self.a, self.b)
        exchange = self.into_b if CODE in swapped else self.into_a
        foreign = {name for name in FACTORS if (name in swapped) != (CODE in swapped)}
        kinds: list[Kind] = []
        if PARAMETERS in foreign:
            kinds.append("parameters")
        if DATA in foreign:
            kinds.append("data")
        cells = [
            cell if source == body(cell) else cell.model_copy(update={"source": source})
            for cell, source in zip(base.capsule.cells, exchange.sources(kinds), strict=True)
        ]
        changes: dict[str, Any] = {
            "cells": cells,
            "data": self._data(swapped),
            "commit": self._commit(swapped, foreign),
            "left_out": [],
            "hidden": [],
        }
        if RANDOM in foreign:
            changes |= _generators(base.capsule, other.capsule)
        return base.capsule.model_copy(update=changes)

    def _commit(self, swapped: Collection[str], foreign: Collection[str]) -> str:
        base = self.b if CODE in swapped else self.a
        entries = [
            (item.path, item.before if CODE in swapped else item.after)
            for item in self.files
            if item.factor in foreign
        ]
        return file_trees.mixed(self.project, base.capsule.commit, entries)

    def _data(self, swapped: Collection[str]) -> list[DataUse]:
        versions = [
            {use.path: use.version for use in side.capsule.data} for side in (self.a, self.b)
        ]
        found = {}
        for path in dict.fromkeys([*versions[0], *versions[1]]):
            of_b = file_trees.factor_of(path) in swapped
            own, other = versions[::-1] if of_b else versions
            if path in own:
                found[path] = own[path]
            elif not self._version(self.b if of_b else self.a, path):
                found[path] = other[path]
        return [DataUse(path=path, version=version) for path, version in found.items()]

    def _changed_files(self) -> list[file_trees.ChangedFile]:
        """Return the files of the snapshots that differ, without the runs' own outputs."""
        a, b = self.a.capsule, self.b.capsule
        if not (a.commit and b.commit) or a.prefix != b.prefix:
            return []
        read = {use.path for capsule in (a, b) for use in capsule.data}
        written = {
            use.path
            for side in (self.a, self.b)
            for use in side.detail.data
            if use.role == "output"
        }
        return [
            item
            for item in file_trees.changes(self.project, a.commit, b.commit)
            if item.path.removeprefix(a.prefix) not in written - read
        ]

    def _changed_uses(self) -> dict[str, tuple[str, str]]:
        """Return the capsules' data files that both runs have in different versions."""
        found = {}
        for path in dict.fromkeys(
            use.path for side in (self.a, self.b) for use in side.capsule.data
        ):
            before, after = self._version(self.a, path), self._version(self.b, path)
            if is_elsewhere(path):
                continue
            if before and after and before != after:
                found[path] = (before, after)
        return found

    def _version(self, side: ComparedRun, path: str) -> str:
        for use in side.capsule.data:
            if use.path == path:
                return use.version
        return file_trees.version_in(
            self.project, side.capsule.commit, f"{side.capsule.prefix}{path}"
        )

    def _data_names(self) -> Any:
        """Return a function that says whether a string names one of the data files."""
        paths = {use.path for side in (self.a, self.b) for use in side.capsule.data}
        for side in (self.a, self.b):
            prefix = side.capsule.prefix
            held = file_trees.files(self.project, side.capsule.commit)
            paths |= {path.removeprefix(prefix).removesuffix(".dvc") for path in held}
        paths = {path for path in paths if file_trees.factor_of(path) == DATA}
        names = {PurePosixPath(path).name for path in paths if PurePosixPath(path).suffix}
        whole = paths | {
            str(parent) for path in paths for parent in PurePosixPath(path).parents if parent.name
        }
        folders = {self.a.capsule.folder, self.b.capsule.folder, "."}
        root = self.project.root

        def is_data(text: str) -> bool:
            if text in names or text in whole:
                return True
            if not text or "\n" in text or len(text) > 300:
                return False
            return any(
                os.path.relpath(os.path.normpath(root / folder / text), root) in whole
                for folder in folders
            )

        return is_data

    def _literals(self, kind: Kind) -> list[str]:
        return self.into_a.differences(kind) or [
            " → ".join(reversed(line.split(" → "))) for line in self.into_b.differences(kind)
        ]

    def _paths(self, factor: str) -> list[str]:
        prefix = self.a.capsule.prefix
        lines = {
            path: f"{path} {before[:6]} → {after[:6]}"
            for path, (before, after) in self.uses.items()
            if file_trees.factor_of(path) == factor
        }
        for item in self.files:
            path = item.path.removeprefix(prefix).removesuffix(".dvc")
            if item.factor == factor and path not in lines:
                lines[path] = f"{path}{self._how(item)}"
        return [*lines.values()]

    def _how(self, item: file_trees.ChangedFile) -> str:
        if set(item.before[1]) == {"0"}:
            return " (new)"
        if set(item.after[1]) == {"0"}:
            return " (gone)"
        if item.factor != DATA:
            return ""
        path = item.path.removesuffix(".dvc")
        before, after = (
            file_trees.version_in(self.project, side.capsule.commit, path)
            for side in (self.a, self.b)
        )
        return f" {before[:6]} → {after[:6]}"

    def _code(self) -> list[str]:
        lines = []
        a, b = self.a, self.b
        if not a.program.same_code(b.program):
            before = Counter((*line.context, line.shape) for line in a.program.lines)
            after = Counter((*line.context, line.shape) for line in b.program.lines)
            gone, new = (before - after).total(), (after - before).total()
            counts = " ".join([f"+{new}"] * (new > 0) + [f"−{gone}"] * (gone > 0))
            lines.append(
                f"cells ({counts} statements)"
                if counts
                else "cells (same statements, different order)"
            )
        if a.capsule.folder != b.capsule.folder:
            lines.append(f"working folder {a.capsule.folder} → {b.capsule.folder}")
        if bool(a.capsule.commit) != bool(b.capsule.commit) or a.capsule.prefix != b.capsule.prefix:
            lines.append("the project's files")
        return lines + self._paths(CODE)

    def _random(self) -> list[str]:
        drew = {*self.a.drew, *self.b.drew}
        one, other = self.a.capsule, self.b.capsule
        return [
            f"{name} (different random state)"
            for name in sorted(drew)
            if (
                name in one.before
                and name in other.before
                and one.before[name] != other.before[name]
            )
            or (
                name in one.generators
                and name in other.generators
                and one.generators[name][1] != other.generators[name][1]
            )
        ]

    def _packages(self) -> list[str]:
        before, after = self.a.packages, self.b.packages
        if not before or not after:
            return []
        return [
            f"{name} {before.get(name, '—')} → {after.get(name, '—')}"
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]


def _generators(base: Capsule, other: Capsule) -> dict[str, Any]:
    """Return the generator states of `other`, at the places where `base` sets them."""
    return {
        "before": {name: other.before.get(name, state) for name, state in base.before.items()},
        "generators": {
            name: (after, other.generators[name][1] if name in other.generators else state)
            for name, (after, state) in base.generators.items()
        },
    }
