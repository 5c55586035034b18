"""The reference of a noun's verbs as Markdown, made from the table of verbs that the parser reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops.magics import parser

if TYPE_CHECKING:
    from jupyter_mlops.magics.table import Arg, Verb

_WHERE = {
    "all": "",
    "cell": "Notebook only: it stands on the first line of the cell.",
    "magic": "Notebook only.",
    "shell": "Terminal only.",
}


def nouns() -> str:
    """Return the table of nouns for the start page."""
    lines = ["| noun | what it is | verbs |", "| --- | --- | --- |"]
    for noun in parser.nouns().values():
        verbs = ", ".join(verb.name or f"`%%mlops {noun.name}`" for verb in noun.verbs)
        lines.append(f"| [**{noun.name}**](nouns/{noun.name}.md) | {_text(noun.help)} | {verbs} |")
    return "\n".join(lines)


def reference(name: str) -> str:
    """Return the table of a noun's verbs and then each verb with its options; `root` is the verbs without a noun."""
    verbs = _verbs(name)
    table = ["| verb | what it does |", "| --- | --- |"]
    table += [f"| [`{_words(verb)}`](#{_anchor(verb)}) | {_text(verb.help)} |" for verb in verbs]
    return "\n".join([*table, "", *(line for verb in verbs for line in _verb(verb))])


def _verbs(name: str) -> list[Verb]:
    if name == "root":
        return [*parser.root_verbs().values()]
    return [*parser.nouns()[name].verbs]


def _verb(verb: Verb) -> list[str]:
    lines = [
        f"({_anchor(verb)})=",
        f"### {_words(verb)}",
        "",
        f"{_sentence(verb.help)} {_WHERE[verb.where]}".strip(),
    ]
    if verb.args:
        lines += ["", "| argument | what it is | default |", "| --- | --- | --- |"]
        lines += [_row(arg) for arg in verb.args]
    if verb.example:
        lead = (
            "jupyter mlops"
            if verb.where == "shell"
            else "%%mlops"
            if verb.where == "cell"
            else "%mlops"
        )
        lines += ["", "```ipython", f"{lead} {verb.example}", "```"]
    return [*lines, ""]


def _row(arg: Arg) -> str:
    help_ = arg.help + (f"; one of {', '.join(arg.choices)}" if arg.choices else "")
    return f"| {_argument(arg)} | {_text(help_)} | {_default(arg)} |"


def _argument(arg: Arg) -> str:
    if not arg.flags:
        return f"`{arg.name.upper()}{' …' if arg.many else ''}`"
    value = arg.metavar or ("KEY=VALUE" if arg.pairs else arg.name.upper())
    first, *others = arg.flags
    words = [first if arg.switch else f"{first} {value}", *others]
    return ", ".join(f"`{word}`" for word in words)


def _default(arg: Arg) -> str:
    if arg.required:
        return "required"
    if arg.switch or arg.default in (None, "") or arg.pairs:
        return ""
    return f"`{arg.default:g}`" if isinstance(arg.default, float) else f"`{arg.default}`"


def _words(verb: Verb) -> str:
    return f"%%mlops {verb.noun}" if verb.where == "cell" else verb.words


def _anchor(verb: Verb) -> str:
    return f"verb-{verb.words.replace(' ', '-')}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _text(text: str) -> str:
    """Return plain text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
