"""Names and values of runs run nothing in the tables and pictures that show them."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs, widgets
from tests.security.payloads import PAYLOADS

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore")
ALLOWED = {
    "table", "thead", "tbody", "tr", "td", "th", "div", "span", "b", "img", "p", "pre", "code", "details",
    "summary", "br", "small", "svg", "path", "text", "g", "line", "rect", "circle", "polyline", "title",
    "h4", "figure", "figcaption", "ul", "li", "section", "strong", "em",
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.names |= {name for name, _ in attrs}
        self.links |= {
            value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}
        }


def test_no_payload_becomes_an_element_of_a_runs_views(project: Project, trials: Trials) -> None:
    ids = []
    for start in (0, 1):
        name = " ".join(PAYLOADS[start::40])
        with runs.start(name, kind="job", project=project) as run:
            run.log_params({f"p{i}": text for i, text in enumerate(PAYLOADS[start::2])})
            run.set_tags({f"mlops.t{i}": text for i, text in enumerate(PAYLOADS[:20])})
            for step in range(3):
                run.log_metrics({"loss": step + start})
        ids.append(run.run_id)
    compared = runs.compare(ids, project=project)
    views = [
        runs.list(project=project)._repr_html_(),
        *(runs.get(run, project=project)._repr_html_() for run in ids),
        compared._repr_html_(),
        widgets.parallel(project=project).static_html(),
    ]
    for page in views:
        pictures = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", page)
        for text in (page, *(base64.b64decode(item).decode() for item in pictures)):
            tags = Tags(text)
            assert tags.found <= ALLOWED, tags.found - ALLOWED
            assert not [name for name in tags.names if name.startswith("on") or name == "srcdoc"]
            assert all(link.startswith("data:image/") for link in tags.links)
    trials("payloads in names, parameters and tags of runs", len(PAYLOADS), "none an element")
