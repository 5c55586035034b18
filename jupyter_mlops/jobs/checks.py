"""`job check`: find a notebook's parameters and problems before it is executed."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.cells import names, needed_files, parser, source, undefined_names
from jupyter_mlops.errors import NotFound, UsageError, nearest
from jupyter_mlops.jobs import notebook as notebooks
from jupyter_mlops.jobs import parameters, values
from jupyter_mlops.jobs.records import Check, Problem
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.jobs.notebook import CodeCell


@dataclass(frozen=True)
class CheckedNotebook:
    """A notebook with its check result: `job check` shows it, `job run` executes it.

    `given` holds the user's values, typed; `params` adds the defaults.
    """

    path: Path
    notebook: Any
    cells: list[CodeCell]
    kernel: str
    folder: Path
    check: Check
    given: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        """Value of every parameter in the execution; defaults that are expressions are left out."""
        known = {item.name: item.default for item in self.check.parameters if not item.expression}
        return {**known, **self.given}

    def refuse(self) -> None:
        """Raise the first problem, if there is one."""
        # First what the user typed, then what is in the notebook.
        problems = sorted(self.check.problems, key=lambda item: "parameter" not in item.what)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            first = problems[0]
            where = f"cell {first.cell}: " if first.cell else ""
            raise UsageError(
                f"{self.check.notebook} would fail: {where}{first.what}{more}",
                first.fix or f"Type: %mlops job check {self.check.notebook}",
            )


def check(
    notebook: str,
    *,
    params: dict[str, Any] | None = None,
    cwd: str = "",
    project: Project | None = None,
) -> Check:
    """Return a notebook's parameters and the problems that would make it fail as a job.

    Raises:
        NotFound: there is no such notebook.
        UsageError: the file is not a notebook.
    """
    return examine(notebook, params=params, cwd=cwd, project=project or Project.find()).check


def examine(
    notebook: str | Path, *, params: dict[str, Any] | None, cwd: str = "", project: Project
) -> CheckedNotebook:
    """Read a notebook and check it with the given parameter values."""
    path = notebooks.locate(notebook, project)
    content = notebooks.read(path)
    cells = notebooks.code_cells(content)
    folder = _folder(cwd, path)
    declared, tagged = parameters.find(cells)
    given, refused = _given(params or {}, declared, tagged)
    kernel = notebooks.kernel_name(content, project)
    problems = [
        *_kernel_problems(content, kernel),
        *_structure_problems(cells, declared, given),
        *refused,
        *_code_problems(cells, folder, project, kernel),
    ]
    found = Check(
        notebook=project.relative(path),
        tagged=tagged,
        parameters=[item.parameter for item in declared],
        problems=problems,
    )
    return CheckedNotebook(path, content, cells, kernel, folder, found, given)


def again(checked: CheckedNotebook, params: dict[str, Any]) -> CheckedNotebook:
    """Return the same notebook with other parameter values; only the values are checked again."""
    declared, tagged = parameters.find(checked.cells)
    given, refused = _given(params, declared, tagged)
    problems = [item for item in checked.check.problems if "parameter" not in item.what]
    check = checked.check.model_copy(update={"problems": [*refused, *problems]})
    return replace(checked, check=check, given=given)


def _folder(cwd: str, path: Path) -> Path:
    if not cwd:
        return path.parent
    folder = Path(cwd).expanduser().absolute()
    if not folder.is_dir():
        raise NotFound(f"No folder {cwd}", "Give --cwd a folder that exists")
    return folder


def _given(
    params: dict[str, Any], declared: list[parameters.DeclaredParameter], tagged: bool
) -> tuple[dict[str, Any], list[Problem]]:
    known = {item.parameter.name: item.parameter for item in declared}
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in params.items():
        if name not in known:
            hint = nearest(name, known)
            if not hint:
                hint = (
                    f"It has: {', '.join(known)}"
                    if known
                    else "Tag the cell of constants 'parameters'"
                )
            problems.append(Problem(what=f"no parameter '{name}'", fix=hint))
            continue
        try:
            given[name] = values.typed(value, known[name].type)
        except values.ValueRefused as refused:
            annotated = "" if tagged else f"; annotate it to allow more: {name}: float = …"
            example = values.python(known[name].default)
            problems.append(
                Problem(
                    cell=declared[[*known].index(name)].cell.number,
                    what=f"parameter '{name}' {refused}",
                    fix=f"For example: -p {name}={example}{annotated if known[name].type == 'int' else ''}",
                )
            )
    return given, problems


def _kernel_problems(content: Any, kernel: str) -> Iterator[Problem]:
    spec = content.metadata.get("kernelspec", {})
    language = (
        spec.get("language") or content.metadata.get("language_info", {}).get("name") or "python"
    )
    if not kernel:
        yield Problem(
            what="the notebook names no kernel",
            fix="Open it in JupyterLab, choose a kernel and save",
        )
        return
    if str(language).lower() not in {"python", "ipython", "python3"}:
        yield Problem(what=f"its kernel runs {language}", fix="A job's notebook must be Python")
        return
    from jupyter_client.kernelspec import KernelSpecManager

    installed = KernelSpecManager().find_kernel_specs()
    if kernel not in installed:
        hint = nearest(kernel, installed) or f"Installed: {', '.join(sorted(installed))}"
        yield Problem(
            what=f"no kernel '{kernel}' is installed here",
            fix=f"{hint} Choose it in JupyterLab and save",
        )


def _structure_problems(
    cells: list[CodeCell], declared: list[parameters.DeclaredParameter], given: dict[str, Any]
) -> Iterator[Problem]:
    if not any(cell.source.strip() for cell in cells):
        yield Problem(what="the notebook has no code", fix="Nothing would run")
    tagged = [cell for cell in cells if notebooks.PARAMETERS_TAG in cell.tags]
    if len(tagged) > 1:
        yield Problem(
            cell=tagged[1].number,
            what=f"a second cell is tagged 'parameters' (the first is cell {tagged[0].number})",
            fix="Keep one: values are given to the first only",
        )
    homes = {item.parameter.name: item.cell.number for item in declared}
    for cell in cells:
        for statement in parameters.top_level(cell):
            if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
                continue
            for name in set(names.bound(statement)) & given.keys():
                constant = statement.value is not None and parameters.is_constant(statement.value)
                if cell.number > homes[name] and constant:
                    yield Problem(
                        cell=cell.number,
                        what=f"assigns '{name}' again, so the value given would be lost",
                        fix=f"Remove that line: '{name}' is a parameter of cell {homes[name]}",
                    )


def _code_problems(
    cells: list[CodeCell], folder: Path, project: Project, kernel: str
) -> list[Problem]:
    problems: list[Problem] = []
    parsed: list[tuple[CodeCell, source.Cell]] = []
    for cell in cells:
        if notebooks.SKIP_TAG in cell.tags:
            continue
        try:
            parsed.append((cell, source.checked(cell.source)))
        except parser.CellSyntaxError as error:
            if notebooks.MAY_FAIL_TAG not in cell.tags:
                line = cell.source.splitlines()[error.line - 1 : error.line]
                what = f"syntax error: {error}" + (f" in `{line[0].strip()[:60]}`" if line else "")
                problems.append(Problem(cell=cell.number, what=what, fix="Correct that line"))
    broken = bool(problems)
    problems += _name_problems(parsed, broken=broken)
    problems += _file_problems(parsed, folder, project)
    if kernel == "python3":
        problems += _import_problems(parsed, folder, project)
    return sorted(problems, key=lambda item: item.cell or 0)


def _name_problems(
    parsed: list[tuple[CodeCell, source.Cell]], *, broken: bool
) -> Iterator[Problem]:
    if broken:
        return  # the names that the broken cell defines are unknown
    state = undefined_names.Notebook()
    for cell, code in parsed:
        for name in [
            *code.made,
            *(name for node in code.program.body for name in names.bound(node)),
        ]:
            state.everywhere.setdefault(name, cell.number)
    for cell, code in parsed:
        if code.automagic and code.automagic not in state.defined:
            continue  # `ls` alone in a cell is a magic, unless the notebook defines that name
        # A star import or an unknown magic in this cell may define the name before its use.
        state.anything = state.anything or code.may_define
        state.cell(
            cell.number,
            code.program,
            defines=code.made,
            report=notebooks.MAY_FAIL_TAG not in cell.tags,
        )
    for item in state.finish():
        yield Problem(cell=item.cell, what=f"'{item.name}' is not defined", fix=_where(item, state))


def _where(item: undefined_names.Undefined, state: undefined_names.Notebook) -> str:
    if item.deleted:
        return f"Cell {item.deleted} deletes it"
    if item.later == item.cell:
        return "This cell defines it further down: move that line up"
    if item.later:
        return f"Cell {item.later} defines it: move that cell up"
    hint = nearest(item.name, [name for name in state.everywhere if name != item.name])
    return hint or "Define it in an earlier cell (it may live only in your open kernel)"


def _file_problems(
    parsed: list[tuple[CodeCell, source.Cell]], folder: Path, project: Project
) -> Iterator[Problem]:
    trees = [(cell.number, code.program) for cell, code in parsed]
    text = "\n".join(code.commands for _, code in parsed)
    if needed_files.changes_folder(trees, text):
        return
    for read in needed_files.reads(trees, text):
        if needed_files.exists(read.path, folder):
            continue
        fix = f"Looked in {project.relative(folder)}"
        if folder != project.root and needed_files.exists(read.path, project.root):
            fix = "The file exists below the project's folder. Add --cwd with that folder"
        yield Problem(cell=read.cell, what=f"reads '{read.path}', which does not exist", fix=fix)


def _import_problems(
    parsed: list[tuple[CodeCell, source.Cell]], folder: Path, project: Project
) -> Iterator[Problem]:
    """Yield a problem for each module that is not installed; only for this Python's own kernel."""
    text = "\n".join(cell.source for cell, _ in parsed)
    if any(
        word in text
        for word in ("sys.path", "pip install", "conda install", "uv add", "site.addsitedir")
    ):
        return
    from importlib.machinery import PathFinder

    local = [str(folder), str(project.root)]
    for module, cell in needed_files.imports(
        [(cell.number, code.program) for cell, code in parsed]
    ):
        if (
            module in sys.builtin_module_names
            or module in sys.stdlib_module_names
            or module in sys.modules
        ):
            continue
        if PathFinder.find_spec(module, local) is None and PathFinder.find_spec(module) is None:
            yield Problem(
                cell=cell,
                what=f"imports '{module}', which is not installed",
                fix=f"Type: pip install {module}",
            )
