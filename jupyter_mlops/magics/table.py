"""The one table of verbs: parser, help, completion, dispatch and the shell command all read it.

Nothing here imports a noun. The function of `NOUN VERB` is what the noun's package calls VERB, loaded at
the first use: `run list` is `jupyter_mlops.runs.list`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

#: What TAB offers for an argument.
Completes = Literal["", "run", "metric", "model", "service", "job", "path", "notebook", "data"]


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a verb; its `name` is the function's parameter.

    Without `flags` it is positional. `many` collects into a list; `pairs` reads `key=value` items
    into a dict of strings; `switch` takes no value and turns its default around.
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
    """One verb of a noun: what it takes, and one line that says what it does.

    `where` tells which surfaces have it: a cell verb needs a cell body, a shell verb a terminal.
    With `outcome` the result's `status` decides whether the command itself failed. `function` is the
    function's name where it cannot be the verb's. The noun sets `noun` and `package`.
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
        """The words that call it: `run list`, or `init` for a verb without a noun."""
        return f"{self.noun} {self.name}".strip()

    def load(self) -> Callable[..., Any]:
        """Import and return the function."""
        package = import_module(f"jupyter_mlops.{self.package}")
        function: Callable[..., Any] = getattr(package, self.function or self.name)
        return function


@dataclass(frozen=True, slots=True)
class Noun:
    """A group of verbs: the functions of one package. The `bare` verb is what the noun alone means."""

    name: str
    package: str
    help: str
    bare: str
    verbs: tuple[Verb, ...] = ()

    def __post_init__(self) -> None:
        named = (replace(verb, noun=self.name, package=self.package) for verb in self.verbs)
        object.__setattr__(self, "verbs", tuple(named))
