"""The docs say what the code says: verbs and options, rooms and layers, and every line that is to be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from docs import outputs, pages, rooms
from jupyter_mlops.magics import parser

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
TEXTS = [ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("nouns/*.md")]

_CODE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^(?:\w+ = )?(%%?mlops|(?:\$ )?jupyter mlops) (.*)$", re.MULTILINE)


def lines() -> list[tuple[str, str]]:
    """Return every line of the docs that is to be typed: what it begins with, and the rest."""
    found = []
    for text in TEXTS:
        page = pages.filled(text.read_text(encoding="utf-8"))
        found += [line for block in _CODE.findall(page) for line in _LINE.findall(block)]
    return sorted(set(found))


@pytest.mark.parametrize(("lead", "rest"), lines(), ids=lambda part: part)
def test_a_line_to_be_typed_is_understood(lead: str, rest: str) -> None:
    surface = "shell" if "jupyter" in lead else "magic"
    words = shlex.split(rest, comments=True)
    call = parser.parse(words, surface=surface, cell=lead == "%%mlops")
    assert call.verb.help


def test_the_lines_are_found_in_all_texts() -> None:
    assert len(lines()) > 60
    assert {text.name for text in TEXTS} >= {"README.md", "index.md", "run.md", "drift.md"}


@pytest.mark.parametrize("noun", [*parser.nouns().values()], ids=lambda noun: noun.name)
def test_a_nouns_page_has_all_its_verbs_and_options(noun) -> None:
    page = pages.filled((DOCS / "nouns" / f"{noun.name}.md").read_text(encoding="utf-8"))
    reference = page.partition("## Verbs and options")[2]
    for verb in noun.verbs:
        heading = f"### {'%%mlops run' if verb.where == 'cell' else verb.words}\n"
        assert heading in reference
        section = reference.partition(heading)[2].partition("\n### ")[0]
        for arg in verb.args:
            for flag in arg.flags or (arg.name.upper(),):
                assert re.search(rf"`{re.escape(flag)}[ `]", section), f"{verb.words}: {flag}"


def test_the_start_page_has_the_verbs_without_a_noun() -> None:
    page = pages.filled((DOCS / "index.md").read_text(encoding="utf-8"))
    assert all(f"### {name}\n" in page for name in parser.root_verbs())


@pytest.mark.parametrize("path", outputs.PAGES, ids=lambda path: path.stem)
def test_each_noun_has_a_page_with_examples_and_their_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem in parser.NOUNS
    assert len([*outputs.blocks(text)]) >= 4
    assert text.count("\n```text\n") >= 4


def test_the_picture_has_every_room_of_the_contract_in_its_layer() -> None:
    held = rooms.contract()
    bands = re.findall(r'<li class="layer">(.*?)</li>', rooms.picture(held))
    drawn = [tuple(re.findall(r">(\w+)</span>", band)) for band in bands]
    assert drawn == [*held.layers]
    assert {"magics", "server", "runs", "data", "jobs", "services", "drift"} <= {
        room for layer in drawn for room in layer
    }


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row of a page."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]  # fmt: skip


def test_the_readme_names_verbs_that_exist_and_every_noun() -> None:
    """Not each verb: the docs list them all, from the table of verbs, and a new one is three files."""
    table = {row[0].strip("*"): row[-1] for row in rows((ROOT / "README.md").read_text())}
    for noun in parser.nouns().values():
        named = {word.strip() for word in table[noun.name].replace("`%%mlops run`", "run").split(",")}  # fmt: skip
        assert named <= {verb.name or noun.name for verb in noun.verbs}, noun.name
        assert len(named) > 2, noun.name


def test_the_readme_names_every_folder() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## Layout\n")[2].partition("\n## ")[0]
    named = {word for row in rows(section)[2:] for word in re.findall(r"`([\w-]+)/`", row[0])}
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    assert named == {name.partition("/")[0] for name in files if "/" in name and name[0] != "."}


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {word for row in rows(text) for word in re.findall(r"`(\w+)(?:/|\.py)`", row[0])}
    missing = {room for layer in rooms.contract().layers for room in layer} - named
    # One row names the files that everybody needs, without listing all of them.
    assert {room for room in missing if (rooms.PACKAGE / room).is_dir()} == set()
    assert all((rooms.PACKAGE / room).exists() or (rooms.PACKAGE / f"{room}.py").exists() for room in named)  # fmt: skip


def test_every_room_of_the_picture_is_in_the_package() -> None:
    for room in (room for layer in rooms.contract().layers for room in layer):
        path = rooms.PACKAGE / room
        assert path.is_dir() or path.with_suffix(".py").exists(), room


def test_the_contract_is_read_as_import_linter_reads_it(tmp_path: Path) -> None:
    settings = tmp_path / "pyproject.toml"
    settings.write_text("""
        [[tool.importlinter.contracts]]
        name = "Downwards"
        type = "layers"
        containers = ["jupyter_mlops"]
        layers = ["cli", "magics | server", "runs : (tracking)"]
        [[tool.importlinter.contracts]]
        name = "Inside one room"
        type = "layers"
        containers = ["jupyter_mlops.runs"]
        layers = ["verbs", "store"]
        [[tool.importlinter.contracts]]
        name = "dvc is imported only in data"
        type = "forbidden"
    """)
    held = rooms.contract(settings)
    assert held.layers == (("cli",), ("magics", "server"), ("runs", "tracking"))
    assert held.rules == ("Inside one room", "dvc is imported only in data")


def test_a_contract_without_layers_has_no_picture(tmp_path: Path) -> None:
    settings = tmp_path / "pyproject.toml"
    settings.write_text("[tool.importlinter]\ncontracts = []\n")
    with pytest.raises(ValueError, match="the picture needs one"):
        rooms.contract(settings)
