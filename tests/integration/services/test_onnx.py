"""An ONNX model on a port, from the recorded cell to an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jupyter_mlops import models, runs, services
from jupyter_mlops.services.http_client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

_TABLE = """
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
X = pd.DataFrame({"age": [float(i % 50) for i in range(90)], "city": ["Brno", "Praha", "Plzen"] * 30})
y = ["yes" if i % 3 else "no" for i in range(90)]
columns = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])])
model = make_pipeline(columns, LogisticRegression()).fit(X, y)
"""
_LINE = """
import numpy as np
from sklearn.linear_model import Ridge
X = np.random.default_rng(0).normal(size=(50, 3))
model = Ridge().fit(X, X.sum(axis=1))
"""
_NET = """
import torch
torch.manual_seed(0)
X = torch.rand(40, 4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
output = model(X)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cell"), [("table", _TABLE), ("line", _LINE), ("net", _NET)])
def test_an_onnx_model_is_built_started_and_answers(
    service_project: Project, record: Callable[..., str], name: str, cell: str
) -> None:
    record(f"onnx-{name}", cell, format="onnx")
    run = runs.get(f"onnx-{name}", project=service_project)
    assert run.model is not None
    assert run.model.format == "onnx"
    built = services.build(f"onnx-{name}", project=service_project)
    assert built.parity is not None
    assert built.parity.equal
    started = services.start(f"onnx-{name}", project=service_project)
    try:
        rows = models.training_data(f"onnx-{name}", project=service_project).head(7)
        model = models.load_model(f"onnx-{name}", project=service_project)
        with Client(started.url, name=built.name) as client:
            said = client.predict(rows)
        if name == "net":
            assert np.allclose(said["scores"], model(rows.to_numpy()), atol=1e-6)
        else:
            given = rows if name == "table" else rows.to_numpy()
            assert said["prediction"] == pytest.approx(model.predict(given).tolist())
    finally:
        services.stop(f"onnx-{name}", project=service_project)
