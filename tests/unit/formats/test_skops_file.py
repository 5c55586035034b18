"""Our writer of skops files writes what skops would, and skops reads it."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import skops.io
from sklearn.ensemble import RandomForestClassifier

from jupyter_mlops.formats import skops_flavor
from jupyter_mlops.model_files.skops_trusted import TRUSTED


def _schema(content: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("schema.json"))


def _without_ids(node: object) -> object:
    """Drop object ids and the random names of the array files."""
    if isinstance(node, dict):
        return {k: _without_ids(v) for k, v in node.items() if k not in {"__id__", "file"}}
    return [_without_ids(item) for item in node] if isinstance(node, list) else node


def test_a_forest_is_written_as_skops_writes_it() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    forest = RandomForestClassifier(5, random_state=0).fit(rows, rows[:, 0] > 0)
    ours = skops_flavor.dumps(forest)
    assert _without_ids(_schema(ours)) == _without_ids(_schema(skops.io.dumps(forest)))
    unknown = skops.io.get_untrusted_types(data=ours)
    assert skops_flavor.untrusted_types(ours) == set(unknown) <= TRUSTED
    again = skops.io.loads(ours, trusted=unknown)
    assert (again.predict_proba(rows) == forest.predict_proba(rows)).all()
