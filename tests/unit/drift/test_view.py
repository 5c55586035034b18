"""A drift report reads everywhere: our MIME type, static HTML that survives a sanitiser, text."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import drift
from jupyter_mlops.drift import view

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def wide() -> drift.DriftReport:
    rng = np.random.default_rng(1)
    names = [f"mean of some measurement {i}" for i in range(40)]
    old = pd.DataFrame(rng.normal(size=(1500, 40)), columns=names)
    new = pd.DataFrame(rng.normal(size=(1200, 40)) * 1.3, columns=names)
    for i in range(10):
        towns = [f"town number {n} of region {i}" for n in range(30)]
        old[f"town {i}"] = rng.choice(towns, 1500)
        new[f"town {i}"] = rng.choice(towns[5:], 1200)
    return drift.compare(old, new)


@pytest.fixture(scope="module")
def odd() -> drift.DriftReport:
    rows = np.arange(300.0)
    old = pd.DataFrame({HOSTILE: rows, "calm": rows, "<b>town</b>": ["<i>a</i>"] * 300})
    new = pd.DataFrame({HOSTILE: rows + 200, "calm": rows, "gone": rows, "<b>town</b>": "x"})
    return drift.compare(old, new, labels=("a<b", "c&d"), warnings=["<u>careful</u>"])


def weight(value) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(text.encode())


def test_fifty_columns_with_their_histograms_fit_in_100_kb(wide):
    bundle = wide._repr_mimebundle_()
    assert list(bundle) == [view.MIME, "text/html", "text/plain"]
    assert weight(bundle) <= 100_000
    assert all(column["histogram"] for column in bundle[view.MIME]["columns"])


def test_a_payload_of_any_width_stays_below_100_kb_and_the_calmest_columns_give_way(wide):
    columns = [
        column.model_copy(update={"column": f"{column.column} {i}"})
        for i in range(60)
        for column in wide.columns
    ]
    report = wide.model_copy(update={"columns": columns})
    payload = view.payload(report)
    assert len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()) <= 100_500
    assert "more columns are in the report's drift.json" in payload["warnings"][-1]
    kept = {column["column"] for column in payload["columns"]}
    assert view.by_severity(report)[0].column in kept
    assert view.by_severity(report)[-1].column not in kept


def test_the_payload_is_the_report_itself(odd):
    assert drift.DriftReport.model_validate(view.payload(odd)) == odd


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_html_is_static_and_every_name_in_it_is_text(odd):
    page = Tags()
    page.feed(view.html(odd))
    plain = {"div", "span", "b", "br", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert {tag for tag, _ in page.seen} <= plain
    for tag, attributes in page.seen:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            picture = base64.b64decode(
                (attributes["src"] or "").removeprefix("data:image/svg+xml;base64,")
            )
            assert picture.startswith(b"<svg ")
    for shown in (HOSTILE, "<b>town</b>", "a<b", "c&d", "<u>careful</u>", "not in the reference"):
        assert shown in page.text


def test_drifted_columns_come_first_in_every_form(odd):
    order = ["drift", "drift", "not evaluated", "no drift"]
    assert [column.status for column in view.by_severity(odd)] == order
    lines = str(odd).splitlines()
    assert lines[0] == "DRIFT: 2 of 3 columns drifted · alarm at 50 % of columns"
    shown = [re.findall(r"^(drift|not evaluated|no drift)", line) for line in lines[-4:]]
    assert shown == [[status] for status in order]


def test_the_text_draws_both_distributions(wide):
    row = next(line for line in str(wide).splitlines() if "measurement 0 " in line)
    assert len(re.findall(r"[▁▂▃▄▅▆▇█]{6,}", row)) == 2


def test_histograms_share_their_bins_and_sum_to_one(wide):
    for column in wide.columns:
        histogram = column.histogram
        assert len(histogram.labels) == len(histogram.reference) == len(histogram.current) <= 24
        assert sum(histogram.reference) == pytest.approx(1, abs=0.02)
        assert sum(histogram.current) == pytest.approx(1, abs=0.02)
        if not histogram.numeric:
            assert histogram.labels[-1] == "other"
            assert len(histogram.labels) == 13


def test_a_far_outlier_does_not_flatten_the_picture():
    values = np.random.default_rng(2).normal(size=2000)
    report = drift.compare(pd.DataFrame({"x": values}), pd.DataFrame({"x": [*values, 1e12]}))
    histogram = report.columns[0].histogram
    assert histogram is not None
    assert max(histogram.reference) < 0.2
    assert histogram.labels[-1].startswith("≥")
    assert len(set(histogram.labels)) == 18


@pytest.mark.parametrize(
    "values",
    [[5.0] * 20, [1e-9, 2e-9] * 10, [-1e300, 1e300] * 10, list(range(20)), [0.1] * 19 + [np.nan]],
)
def test_any_values_have_labels_that_tell_bins_apart(values):
    frame = pd.DataFrame({"x": values})
    column = drift.compare(frame, frame).columns[0]
    assert column.status == "no drift"
    assert column.histogram is not None
    assert len(set(column.histogram.labels)) == len(column.histogram.labels)
