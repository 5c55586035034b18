"""A run, model or attempt is found by exactly its name, whatever characters are in it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs
from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.models import registry
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query, trash
from jupyter_mlops.tracking import search
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.tracking.store import Store
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
_SEED = 5
_LIKE_ANOTHER = [
    "quote", "q'uote", 'q"uote', "quote'", "'quote'", '"quote"', "QUOTE", "quot", "quote ", " quote", "q%te", "q_ote",
    "quot_", "%", "_", "%%", "____", "'", '"', "''", '"\'"', "\\", "quote\\", "q\\'uote", "q\\uote", "`quote`",
    "quote' or '1'='1", "quote' -- ", "quote'; DROP TABLE runs", "quote\nquote", "quote\tx", "quo\u0301te", "quöte",
    "quo\u0308te", "q\u200buote", "日本", "🚀", "a.b", "a/b", "../quote", "100%", "x = 'y'", "(quote)", "quote*",
    "$quote", "{quote}", "null", "None", "0", "deadbeef", "attributes.run_name", "--yes", "ｑuote", "q\u2019uote",
]  # fmt: skip
_ALPHABET = "ab'\"\\%_`* ;-()é日\u200b=.AB\n"


def _names(count: int) -> list[str]:
    drawn = random.Random(_SEED)
    names = dict.fromkeys(_LIKE_ANOTHER)
    while len(names) < count:
        names["".join(drawn.choice(_ALPHABET) for _ in range(drawn.randrange(1, 7)))] = None
    # MLflow gives a run without a name one of its own.
    return [name for name in names if name.strip()]


def _made(store: Store, names: list[str]) -> dict[str, str]:
    experiment = store.experiment_id()
    return {name: store.client.create_run(experiment, run_name=name).info.run_id for name in names}


def _each_is_found_exactly(store: Store, made: dict[str, str], names: list[str]) -> int:
    for name in names:
        if name in made:
            found = query.find(store, name)
            assert (found.info.run_id, found.info.run_name) == (made[name], name), ascii(name)
        else:
            with pytest.raises(NotFound):
                query.find(store, name)
    return len(names)


def test_every_name_finds_its_run_and_no_other(project: Project, trials: Trials) -> None:
    names = _names(700)
    store = open_store(project)
    made = _made(store, names[::2])
    trials(
        "names of runs, embedded store", _each_is_found_exactly(store, made, names), "each exact"
    )


@pytest.mark.parametrize("kind", ["postgres", "server"])
def test_a_teams_store_finds_exactly_too(
    kind: str,
    project: Project,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    trials: Trials,
) -> None:
    """PostgreSQL reads a backslash of LIKE its own way, and the server sees only the filter."""
    if kind == "postgres":
        uri = request.getfixturevalue("database")
    else:
        uri = request.getfixturevalue("tracking_server").uri
    monkeypatch.setenv("MLOPS_TRACKING_URI", uri)
    store = open_store(Project.find(project.root))
    # What they do not store at all: PostgreSQL a NUL, HTTP half a surrogate.
    names = _names(140)
    made = _made(store, names[::2])
    trials(f"names of runs, {kind}", _each_is_found_exactly(store, made, names), "each exact")


def test_a_name_that_differs_by_a_quote_is_another_run(project: Project) -> None:
    store = open_store(project)
    _made(store, ["quote"])
    for name in ("q'uote", 'q"uote', "quote'", "QUOTE", "quot_", "%", ""):
        with pytest.raises(NotFound):
            runs.get(name, project=project)
        with pytest.raises(NotFound):
            runs.delete([name], yes=True, project=project)
    made = _made(store, ["q'uote"])
    assert runs.get("q'uote", project=project).run_id == made["q'uote"]
    store.client.set_terminated(made["q'uote"])
    runs.delete(["q'uote"], yes=True, project=project)
    assert runs.get("quote", project=project).name == "quote"
    with pytest.raises(NotFound):
        runs.get("q'uote", project=project)


def test_a_deleted_run_is_restored_by_exactly_its_name(project: Project, trials: Trials) -> None:
    store = open_store(project)
    names = _LIKE_ANOTHER
    made = _made(store, names)
    for run_id in made.values():
        store.client.delete_run(run_id)
    for name in names:
        assert trash._find_deleted(store, name).info.run_id == made[name], ascii(name)
    with pytest.raises(NotFound):
        trash.restore(["q''uote"], project=project)
    trials("names of deleted runs", len(names), "each exact")


def test_a_run_that_is_named_like_anothers_id_does_not_take_its_place(project: Project) -> None:
    store = open_store(project)
    (one,) = _made(store, ["one"]).values()
    _made(store, [one, one[:8]])
    assert query.find(store, one).info.run_name == "one"
    store.client.delete_run(one)
    assert trash._find_deleted(store, one).info.run_name == "one"
    free = "0123456789abcdef" * 2
    _made(store, [free])
    assert query.find(store, free).info.run_name == free


def test_registered_models_are_found_by_exactly_their_names(
    project: Project, trials: Trials
) -> None:
    store = open_store(project)
    # MLflow refuses a slash and a colon in a model's name.
    names = [name for name in _names(120) if not {"/", ":"} & {*name}]
    made = {}
    for number, name in enumerate(names[::2]):
        store.client.create_registered_model(name)
        for _ in range(1 + number % 2):
            store.client.create_model_version(name, f"file:///tmp/{number}", run_id=None)
        made[name] = 1 + number % 2
    for name in names:
        found = registry.version_of(store, name)
        if name in made:
            assert found is not None, ascii(name)
            assert (found.name, found.version) == (name, made[name]), ascii(name)
        else:
            assert found is None, ascii(name)
    trials("names of registered models", len(names), "each exact")


def test_a_clause_finds_at_least_what_is_asked(project: Project, trials: Trials) -> None:
    """Of tags too: ids of attempts and of waiting runs come from files."""
    store = open_store(project)
    experiment = store.experiment_id()
    values = _names(250)
    for value in values:
        store.client.create_run(experiment, tags={"mlops.attempt": value})
    for value in values:
        clause = search.clause("tags.`mlops.attempt`", value)
        found = search.pages(store.client.search_runs, [experiment], clause, max_results=100)
        assert any(run.data.tags["mlops.attempt"] == value for run in found), ascii(value)
    trials("values of tags", len(values), "each found")


@pytest.mark.parametrize("name", ["", " ", "\0", "a\0b", "\n", "\ud800", "x" * 10_000])
def test_what_no_run_is_called_is_one_line(project: Project, name: str) -> None:
    verbs: dict[Callable[..., Any], Any] = {
        runs.show: name,
        runs.delete: [name],
        runs.restore: [name],
    }
    for verb, given in verbs.items():
        with pytest.raises((NotFound, UsageError)) as raised:
            verb(given, project=project)
        assert "\n" not in str(raised.value)
