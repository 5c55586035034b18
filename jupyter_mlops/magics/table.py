"""The one table of verbs: parser, help, completion, dispatch and the shell command all read it.

Nothing here imports a noun; a verb names its function as `module:function` and the first use
loads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    into a dict of strings; `switch` takes no value.
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
    """One verb of a noun: its function, what it takes, and one line that says what it does.

    `where` tells which surfaces have it: a cell verb needs a cell body, a shell verb a terminal.
    With `outcome` the result's `status` decides whether the command itself failed.
    """

    noun: str
    name: str
    target: str
    help: str
    args: tuple[Arg, ...] = ()
    example: str = ""
    where: Literal["all", "cell", "magic", "shell"] = "all"
    outcome: bool = False

    @property
    def words(self) -> str:
        """The words that call it: `run list`, or `init` for a verb without a noun."""
        return f"{self.noun} {self.name}".strip()

    def load(self) -> Callable[..., Any]:
        """Import and return the function."""
        module, _, name = self.target.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


@dataclass(frozen=True, slots=True)
class Noun:
    """A group of verbs; the `bare` verb is what the noun alone means."""

    name: str
    help: str
    bare: str
    verbs: tuple[Verb, ...] = field(default=())
