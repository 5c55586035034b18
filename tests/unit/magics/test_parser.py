"""One table of verbs makes the parser of the magic and of the shell."""

from __future__ import annotations

import inspect

import pytest

from jupyter_mlops.errors import UsageError
from jupyter_mlops.magics import parser

VERBS = [verb for noun in parser.nouns().values() for verb in noun.verbs] + [
    *parser.root_verbs().values()
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_each_verb_names_a_function_that_takes_its_arguments(verb) -> None:
    if verb.where == "cell":
        return
    parameters = inspect.signature(verb.load()).parameters
    missing = {arg.name for arg in verb.args} - set(parameters)
    assert not missing
    given = {arg.name for arg in verb.args}
    unmet = [
        name
        for name, item in parameters.items()
        if item.default is item.empty and name not in given
    ]
    assert not unmet


@pytest.mark.parametrize("noun", parser.nouns().values(), ids=lambda noun: noun.name)
def test_a_bare_noun_lists(noun) -> None:
    assert parser.parse([noun.name]).verb.name == noun.bare


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rn list", "Unknown noun or verb 'rn'. Did you mean 'run'?"),
        ("run lst", "run has no verb 'lst'. Did you mean 'list'?"),
        ("run list --sotr x", "Unknown option --sotr. Did you mean '--sort'?"),
        ("run list --so x", "Unknown option --so. Did you mean '--sort'?"),
        ("run list surplus", "Unexpected argument 'surplus'"),
        ("job run n.ipynb -p a=1 lr=0.2", "'lr=0.2' has no -p. Each needs its own: -p lr=0.2"),
        ("run list --limit many", "--limit/-n must be a whole number, not 'many'"),
        ("run show", "'run show' needs RUN. Example"),
        ("model promote forest --version", "expected one argument"),
    ],
)
def test_a_mistake_names_the_nearest_word(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?").replace(".", r"\.")) as raised:
        parser.parse(line.split())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("line", ["-h", "run -h", "run list -h", "data add --help", "init -h"])
def test_help_is_everywhere(line: str) -> None:
    with pytest.raises(parser.Help) as asked:
        parser.parse(line.split())
    assert "%mlops" in asked.value.text


def test_a_cell_verb_needs_a_cell_and_the_others_take_none() -> None:
    assert parser.parse(["run", "forest"], cell=True).arguments["name"] == "forest"
    with pytest.raises(UsageError, match="takes no cell"):
        parser.parse(["data", "add"], cell=True)


def test_a_verb_of_the_notebook_says_so_in_a_terminal() -> None:
    with pytest.raises(UsageError, match="is for a notebook"):
        parser.parse(["auto", "on"], surface="shell")
    with pytest.raises(UsageError, match="is for a terminal"):
        parser.parse(["scheduler"])


def test_json_is_an_option_of_every_verb() -> None:
    assert parser.parse(["run", "list", "--json"]).json
    assert not parser.parse(["run", "list"]).json
