"""Whatever stands in a table, its name or its values, runs nothing in the pages and views that show it."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import data, drift, runs
from jupyter_mlops.drift import evidently_page
from jupyter_mlops.errors import BackendFailed
from tests.security.payloads import PAYLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore")  # Evidently warns in many ways

NUMERIC = 60
ROWS = 60


def tables(texts: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two tables with half of the texts as names, and all of them as values."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(2):
        frame: dict[str, Any] = {name: rng.normal(0, 1, ROWS) for name in texts[:NUMERIC]}
        for at in range(NUMERIC, len(texts), 4):
            values = [texts[at], *(texts[(at + k) % len(texts)] for k in range(1, 4))]
            frame[texts[at]] = rng.choice(np.array(values, dtype=object), ROWS)
        frames.append(pd.DataFrame(frame))
    return frames[0], frames[1]


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes, and the page inside its frame."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.inside = ""
        self.sandbox = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found.append((tag, tuple(given)))
        self.inside = given.get("srcdoc") or self.inside
        self.sandbox = given.get("sandbox") or self.sandbox


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, drift.DriftReport]]:
    """Return Evidently's page with the payloads, and with as many harmless texts."""
    found = {}
    for kind, texts in {
        "hostile": PAYLOADS,
        "harmless": [f"name {i}" for i in range(len(PAYLOADS))],
    }.items():
        old, new = tables(texts)
        path = tmp_path_factory.mktemp(kind) / "drift.html"
        report = drift.check(reference=old, current=new, html=str(path), record=False)
        found[kind] = (path, report)
    return found


def test_no_payload_becomes_an_element_of_evidentlys_page(written: Any, trials: Trials) -> None:
    pages = {kind: path.read_text(encoding="utf-8") for kind, (path, _) in written.items()}
    outer = {kind: Tags(page) for kind, page in pages.items()}
    inner = {kind: Tags(tags.inside) for kind, tags in outer.items()}
    assert outer["hostile"].found == outer["harmless"].found
    assert inner["hostile"].found == inner["harmless"].found
    assert len(inner["hostile"].inside) == 0
    assert outer["hostile"].sandbox == "allow-scripts"
    # Comments and CDATA change how a script is read, and no payload may bring one.
    script = inner["hostile"]
    assert [tag for tag, _ in script.found].count("script") == [
        tag for tag, _ in inner["harmless"].found
    ].count("script")
    text = outer["hostile"].inside
    head = text[: text.index("</head>")]
    assert head.count("<script>") == 1
    assert head.count("</script>") == 1
    assert "<!--" not in head
    trials("payloads in names and values of Evidently's page", 2 * len(PAYLOADS), "none an element")


def test_scores_and_verdicts_are_those_of_the_tables_as_they_are(written: Any) -> None:
    (_, hostile), (_, harmless) = written["hostile"], written["harmless"]
    assert [column.column for column in hostile.columns][:NUMERIC] == PAYLOADS[:NUMERIC]
    assert [(c.status, c.score, c.method) for c in hostile.columns[:NUMERIC]] == [
        (c.status, c.score, c.method) for c in harmless.columns[:NUMERIC]
    ]
    old, new = tables(PAYLOADS)
    (other_old, other_new), names = evidently_page.without_markup(old, new)
    for before, after in ((old, other_old), (new, other_new)):
        assert len(set(names.values())) == len(before.columns)
        for name in before.columns[NUMERIC:]:
            counts = before[name].value_counts(sort=False).to_numpy()
            assert (after[names[name]].value_counts(sort=False).to_numpy() == counts).all()
        for name in before.columns[:NUMERIC]:
            assert (after[names[name]] == before[name]).all()
        assert not any("<" in str(value) for value in after.to_numpy().ravel())


def test_values_of_every_kind_are_exchanged() -> None:
    hostile = "</script>"
    index = pd.Index([hostile, "b"], name=hostile)
    frame = pd.DataFrame(
        {
            "text": pd.Series([hostile, None], dtype="string"),
            "category": pd.Categorical([hostile, "b"], categories=[hostile, "b"], ordered=True),
            "mixed": [(hostile, 1), 2.5],
            "flag": [True, False],
            "time": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        }
    ).set_index(index)
    (old, _), _ = evidently_page.without_markup(frame, frame)
    assert "<" not in old.to_csv()
    assert hostile not in str(old.index)
    assert old["time"].dtype == frame["time"].dtype
    assert old["mixed"].iloc[1] == 2.5
    assert old["category"].cat.ordered


def test_marks_that_the_data_holds_itself_are_not_used_for_others() -> None:
    frame = pd.DataFrame({"x": ["a<b", "a‹b", "a〈b", "a⟨b"]})
    (old, _), _ = evidently_page.without_markup(frame, frame)
    assert old["x"].nunique() == 4


def test_no_payload_becomes_an_element_of_our_own_views(project: Any, trials: Trials) -> None:
    old, new = tables(PAYLOADS)
    views = [
        drift.compare(
            old, new, labels=(PAYLOADS[0], PAYLOADS[1]), service=PAYLOADS[2]
        )._repr_html_()
    ]
    old.to_parquet("old.parquet")
    new.to_parquet("new.parquet")
    data.add(["old.parquet"], project=project)
    views.append(data.diff("old.parquet", "new.parquet", project=project)._repr_html_())
    for page in views:
        tags = Tags(page)
        assert len(tags.found) > 100
        assert {tag for tag, _ in tags.found} <= {
            "table", "thead", "tbody", "tr", "td", "th", "div", "span", "b", "img", "p", "small", "code",
            "details", "summary", "br", "ul", "li", "h3", "h4", "strong", "em",
        }  # fmt: skip
        names = {name for _, attrs in tags.found for name in attrs}
        assert names <= {
            "style",
            "src",
            "alt",
            "width",
            "height",
            "title",
            "colspan",
            "open",
            "class",
            "scope",
        }
    trials("payloads in names and values of our own tables", 2 * len(PAYLOADS), "none an element")


@pytest.fixture
def browser_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail("no chromium: install it (Debian: apt-get install chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
@pytest.mark.slow
def test_nothing_of_a_payload_runs_in_a_real_browser(
    written: Any, browser_page: Any, trials: Trials
) -> None:
    path, _ = written["hostile"]
    dialogs: list[str] = []
    asked: list[str] = []

    def dismissed(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    browser_page.on("dialog", dismissed)
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(path.as_uri())
    frame = browser_page.frames[1]
    frame.wait_for_selector("table", timeout=120_000)
    assert "name" not in frame.title()
    # Each row opens to a picture, with the names and values in it.
    for button in frame.query_selector_all("button")[:12]:
        if button.is_visible() and button.is_enabled():
            button.dispatch_event("click")
            browser_page.wait_for_timeout(200)
    browser_page.wait_for_timeout(3_000)
    for one in browser_page.frames:
        assert one.evaluate("window.__hit === undefined")
    assert not dialogs
    assert all(url.startswith(("file:", "about:", "data:", "blob:")) for url in asked)
    assert "〈" in frame.inner_text("body")  # the data holds ‹ itself
    # A script that ran all the same would have no origin, and so nothing of Jupyter's.
    assert frame.evaluate("self.origin") == "null"
    with pytest.raises(Exception, match="SecurityError"):
        frame.evaluate("document.cookie")
    trials("payloads opened in chromium", 2 * len(PAYLOADS), "none ran")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"columns": 3}', b'{"verdict": "x", "columns": []}'],
    ids=range(8),
)  # fmt: skip
def test_a_report_that_somebody_else_stored_is_read_or_refused_in_one_line(
    project: Project, content: bytes, tmp_path: Path
) -> None:
    stored = tmp_path / "drift.json"
    stored.write_bytes(content)
    with runs.start("theirs", kind="drift", project=project) as active:
        active.log_artifact(stored)
        active.set_tags({"mlops.verdict": "drift", "mlops.rows": "many", "mlops.service": "x"})
        active.log_metrics({"drifted": float("inf"), "evaluated": float("nan")})
    with pytest.raises(BackendFailed, match="cannot be read"):
        drift.show("theirs", project=project)
    (check,) = drift.history(project=project)
    assert (check.drifted, check.evaluated, check.current_rows) == (0, 0, 0)
