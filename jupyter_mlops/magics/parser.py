"""One parser for the magic and the shell, built from the table of verbs."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_mlops import disk_errors, progress
from jupyter_mlops.errors import MlopsError, UsageError, nearest
from jupyter_mlops.magics.table import Arg, Noun, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The nouns in the order in which a project uses them.
NOUNS = ("run", "data", "job", "model", "service", "drift")
_UNKNOWN = re.compile(r"unrecognized arguments: (.*)")
_NO_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)$")
_REQUIRED = re.compile(r"the following arguments are required: (.*)$")
_NO_NUMBER = re.compile(r"argument (\S+): invalid (int|float) value: '(.*)'$")
_NUMBERS = re.compile(r"^-\d+(\.\d+)?$|^-\.\d+$")


class Help(MlopsError):
    """Raised for `-h`, with the help text; not an error."""

    exit_code = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed line: the verb, its arguments by name, and whether to print JSON."""

    verb: Verb
    arguments: dict[str, Any]
    json: bool = False

    def run(self, **more: Any) -> Any:
        """Call the verb's function; print a line if the project is not trusted."""
        with disk_errors.in_one_line():
            value = self.verb.load()(**self.arguments, **more)
        if self.verb.noun:
            _say_if_not_trusted()
        return value


def _say_if_not_trusted() -> None:
    from jupyter_mlops.project import Project

    try:
        project = Project.find()
    except MlopsError:
        return
    if not project.trusted:
        progress.say(
            f"{project.root} is not trusted: this was read from its files, and none of its code runs. "
            "If you trust who made it: %mlops trust"
        )


def nouns() -> dict[str, Noun]:
    """Return every noun by name; the modules hold tables only and import nothing heavy."""
    return {name: import_module(f"jupyter_mlops.magics.verbs.{name}").NOUN for name in NOUNS}


def root_verbs() -> dict[str, Verb]:
    """Return the verbs without a noun."""
    root: Noun = import_module("jupyter_mlops.magics.verbs.root").NOUN
    return {verb.name: verb for verb in root.verbs}


def parse(words: Sequence[str], *, surface: str = "magic", cell: bool = False) -> Call:
    """Parse the words of a line into a call.

    Args:
        words: what follows `%mlops` or `jupyter mlops`.
        surface: `magic` or `shell`.
        cell: whether a cell body follows.

    Raises:
        UsageError: the line is wrong; the message suggests the nearest valid word.
        Help: the words contain `-h`.
    """
    words = list(words)
    lead = "%mlops" if surface == "magic" else "jupyter mlops"
    if not words or words[0] in {"-h", "--help", "help"}:
        raise Help(overview(lead))
    if words[0] == "--version":
        from jupyter_mlops._version import __version__

        raise Help(f"jupyter_mlops {__version__}")
    groups, roots = nouns(), root_verbs()
    first = words.pop(0)
    if first in roots:
        return _parse_verb(roots[first], words, lead, surface, cell)
    if first not in groups:
        hint = nearest(first, [*groups, *roots]) or f"Type: {lead} -h"
        raise UsageError(f"Unknown noun or verb '{first}'", hint)
    noun = groups[first]
    verbs = {verb.name: verb for verb in noun.verbs}
    if words and words[0] in {"-h", "--help"} and not cell:
        raise Help(noun_help(noun, lead))
    if cell:
        return _parse_cell(noun, verbs, words, lead, surface)
    if not words or words[0].startswith("-"):
        words.insert(0, noun.bare)
    name = words.pop(0)
    if name not in verbs:
        typed = [verb.name for verb in _typed(noun.verbs, lead) if verb.name]
        hint = nearest(name, typed) or f"One of {', '.join(typed)}"
        if first == "run" and lead == "%mlops" and not nearest(name, typed, cutoff=0.75):
            hint = f"To show a run: {lead} run show {name} · to record a cell: %%mlops run {name}"
        raise UsageError(f"{first} has no verb '{name}'", hint)
    return _parse_verb(verbs[name], words, lead, surface, cell)


def _parse_cell(
    noun: Noun, verbs: dict[str, Verb], words: list[str], lead: str, surface: str
) -> Call:
    verb = next((item for item in verbs.values() if item.where == "cell"), None)
    if verb is None:
        raise UsageError(
            f"%%mlops {noun.name} takes no cell",
            f"Type on one line: {' '.join(['%mlops', noun.name, *words])}",
        )
    return _parse_verb(verb, words, lead, surface, cell=True)


def _parse_verb(verb: Verb, words: list[str], lead: str, surface: str, cell: bool) -> Call:
    if verb.where == "cell" and not cell:
        raise UsageError(
            f"'{verb.words}' records a cell",
            f"Put %%mlops {verb.words.split()[0]} NAME on its first line",
        )
    if verb.where == "magic" and surface == "shell":
        line = " ".join(["%mlops", verb.words, *words])
        raise UsageError(f"'{verb.words}' is for a notebook", f"Type there: {line}")
    if verb.where == "shell" and surface != "shell":
        raise UsageError(f"'{verb.words}' is for a terminal", f"Type: jupyter mlops {verb.words}")
    parser = build(verb, lead)
    given = vars(parser.parse_args(words))
    wants_json = given.pop("json")
    for arg in verb.args:
        if arg.pairs:
            given[arg.name] = _pairs(given[arg.name] or [], arg)
    return Call(verb, given, wants_json)


class _Parser(argparse.ArgumentParser):
    """argparse parser that raises UsageError with the nearest valid flag."""

    flags: tuple[str, ...] = ()
    #: The flag of a KEY=VALUE argument, if the verb has one.
    pairs: str = ""
    #: NOUN VERB
    words: str = ""

    def error(self, message: str) -> NoReturn:
        if match := _UNKNOWN.search(message):
            surplus = match[1].split()[0]
            wrong = surplus.partition("=")[0]
            if wrong.startswith("-"):
                hint = nearest(wrong, self.flags) or f"Type: {self.prog} -h"
                raise UsageError(f"Unknown option {wrong}", hint)
            if self.pairs and "=" in surplus:
                raise UsageError(
                    f"'{surplus}' has no {self.pairs}",
                    f"Each needs its own: {self.pairs} {surplus}",
                )
            raise UsageError(f"Unexpected argument '{surplus}'", f"Type: {self.prog} -h")
        if match := _REQUIRED.match(message):
            raise UsageError(
                f"'{self.words}' needs {_shown(match[1])}", self.epilog or f"Type: {self.prog} -h"
            )
        if match := _NO_NUMBER.match(message):
            kind = "a whole number" if match[2] == "int" else "a number"
            raise UsageError(f"{match[1]} must be {kind}, not '{match[3]}'")
        if match := _NO_CHOICE.match(message):
            flag, given, choices = match[1], match[2], match[3].replace("'", "")
            hint = nearest(given, choices.split(", ")) or f"One of {choices}"
            raise UsageError(f"{flag} cannot be '{given}'", hint)
        raise UsageError(message[:1].upper() + message[1:], f"Type: {self.prog} -h")

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002 - argparse names it
        raise Help(self.format_help().rstrip())


def _shown(required: str) -> str:
    """Return the names of missing arguments as the help shows a value: in capitals; options as they are."""
    names = required.split(", ")
    return ", ".join(name if name.startswith("-") else name.upper() for name in names)


def build(verb: Verb, lead: str) -> argparse.ArgumentParser:
    """Return the argparse parser of one verb."""
    parser = _Parser(
        prog=f"{lead} {verb.words}",
        description=verb.help[:1].upper() + verb.help[1:] + ".",
        epilog=f"Example: {lead if verb.where != 'cell' else '%%mlops'} {verb.example}"
        if verb.example
        else None,
        allow_abbrev=False,
        exit_on_error=True,
    )
    for arg in verb.args:
        _add(parser, arg)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.flags = (*(flag for arg in verb.args for flag in arg.flags), "--json", "--help")
    parser.words = verb.words
    parser.pairs = next((arg.flags[0] for arg in verb.args if arg.pairs), "")
    return parser


def _add(parser: argparse.ArgumentParser, arg: Arg) -> None:
    options: dict[str, Any] = {"help": arg.help.replace("%", "%%"), "default": arg.default}
    if arg.switch:
        turned = "store_false" if arg.default else "store_true"
        parser.add_argument(*arg.flags, dest=arg.name, action=turned, help=options["help"])
        return
    if arg.choices:
        options["choices"] = arg.choices
    if arg.metavar or arg.pairs:
        options["metavar"] = arg.metavar or "KEY=VALUE"
    options["type"] = arg.type
    if arg.flags:
        if arg.pairs or arg.many:
            options["action"] = "append"
        parser.add_argument(*arg.flags, dest=arg.name, required=arg.required, **options)
        return
    if arg.many:
        options["nargs"] = "+" if arg.required else "*"
    elif not arg.required:
        options["nargs"] = "?"
    parser.add_argument(arg.name, **options)


def _pairs(items: list[str], arg: Arg) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise UsageError(
                f"'{item}' is not KEY=VALUE", f"For example: {(arg.flags or ('-p',))[0]} depth=4"
            )
        found[key.strip()] = value
    return found


def overview(lead: str) -> str:
    """Return the help of the whole grammar."""
    lines = [
        f"{lead} NOUN VERB [arguments]   (-h after any of them is help; a bare noun lists)",
        "",
    ]
    for noun in nouns().values():
        verbs = " · ".join(verb.name for verb in _typed(noun.verbs, lead) if verb.name)
        lines += [f"  {noun.name:<9}{noun.help}", f"  {'':<9}{verbs}"]
    lines += ["", "  %%mlops run NAME   records the cell below it", ""]
    lines += [f"  {verb.name:<11}{verb.help}" for verb in _typed(root_verbs().values(), lead)]
    return "\n".join(lines)


def noun_help(noun: Noun, lead: str) -> str:
    """Return the help of one noun."""
    lines = [f"{lead} {noun.name}: {noun.help}", ""]
    lines += [f"  {verb.name or 'NAME':<12}{verb.help}" for verb in _typed(noun.verbs, lead)]
    return "\n".join(lines)


def _typed(verbs: Iterable[Verb], lead: str) -> list[Verb]:
    """Return the verbs that can be typed after `lead`."""
    elsewhere = {"shell"} if lead == "%mlops" else {"cell", "magic"}
    return [verb for verb in verbs if verb.where not in elsewhere]
