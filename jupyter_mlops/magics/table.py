"""The table of verbs, which the parser, help, completion, dispatch and the shell command read.

No noun's package is imported here. The function of `NOUN VERB` is the attribute VERB of the noun's
package, loaded at the first use: `run list` is `jupyter_mlops.runs.list`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

#: The kinds of names that TAB completes for an argument.
Completes = Literal["", "run", "metric", "model", "service", "job", "path", "notebook", "data"]


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a verb; its `name` is the function's parameter.

    Without `flags` it is positional. `many` collects values into a list; `pairs` parses `key=value`
    items into a dict of strings; `switch` takes no value and negates its default.
    """

    name: str
    help: str
    flags: tuple[str, ...] = ()
    type: Callable[[str], Any] = str
    default: Any = None
    required: bool = False
    many: bool = False
    pairs: bool = False
    switch: bool = False
    choices: tuple[str, ...] = ()
    complete: Completes = ""
    metavar: str = ""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of a noun: its arguments and a line of help.

    `where` limits the surfaces: a cell verb needs a cell body, a shell verb a terminal.
    With `outcome` the result's `status` decides whether the command itself failed. `function` is the
    function's name if it differs from the verb's. The noun sets `noun` and `package`.
    """

    name: str
    help: str
    args: tuple[Arg, ...] = ()
    example: str = ""
    where: Literal["all", "cell", "magic", "shell"] = "all"
    outcome: bool = False
    function: str = ""
    noun: str = ""
    package: str = ""

    @property
    def words(self) -> str:
        """The words of the command: `run list`, or `init` for a verb without a noun."""
        return f"{self.noun} {self.name}".strip()

    def load(self) -> Callable[..., Any]:
        """Import and return the function."""
        package = import_module(f"jupyter_mlops.{self.package}")
        function: Callable[..., Any] = getattr(package, self.function or self.name)
        return function


@dataclass(frozen=True, slots=True)
class Noun:
    """A group of verbs: the functions of one package. The noun alone means its `bare` verb."""

    name: str
    package: str
    help: str
    bare: str
    verbs: tuple[Verb, ...] = ()

    def __post_init__(self) -> None:
        named = (replace(verb, noun=self.name, package=self.package) for verb in self.verbs)
        object.__setattr__(self, "verbs", tuple(named))
