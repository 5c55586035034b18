"""torch modules that cannot be traced: weights that load without code, classes only when allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from jupyter_mlops import models, runs, services
from jupyter_mlops.errors import MlopsError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
#: Which way it goes depends on the data, so it has no one graph.
_CLASSES = """\
import torch
from torch import nn
import torch.nn.functional as F
SCALE = 0.5
def halved(x):
    return x * SCALE
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.linear = nn.Linear(width, width)
        self.register_buffer("seen", torch.ones(width))
    def forward(self, x):
        return F.relu(self.linear(x)) * self.seen
class Net(nn.Module):
    def __init__(self, width, shapes=(1, 2)):
        super().__init__()
        self.shapes = shapes
        self.activation = F.gelu
        self.blocks = nn.ModuleList([Block(width), Block(width)])
        self.memory = nn.GRU(width, width, batch_first=True)
        self.tied = nn.Linear(width, width)
        self.tied.weight = self.blocks[0].linear.weight
    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        x, _ = self.memory(x[:, None])
        x = self.tied(x[:, 0])
        return halved(self.activation(x)) if x.sum().item() > 0 else x
"""
_TRAIN = """
torch.manual_seed(0)
X = torch.rand(32, 4)
net = Net(4)
output = net(X)
loss = output.pow(2).mean()
loss.backward()
"""


def _record(cell: Callable[[str], Any], name: str = "net", options: str = "") -> Any:
    assert cell(_CLASSES).success
    assert cell(f"%%mlops run {name} {options}\n{_TRAIN}").success
    return cell.shell.user_ns  # type: ignore[attr-defined]


def test_weights_load_without_code_and_the_class_only_when_allowed(
    project: Project, cell: Callable[[str], Any]
) -> None:
    names = _record(cell)
    run = runs.get("net")
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("pytorch", "safetensors", False)
    wanted = names["net"].state_dict()
    weights = models.load_weights("net")
    assert all(torch.equal(weights[name], wanted[name]) for name in weights)
    with pytest.raises(MlopsError, match=r"kept as source.*load_weights"):
        models.load_model("net")
    loaded = models.load_model("net", allow_pickle=True)
    assert torch.allclose(loaded(names["X"]), names["output"], atol=1e-6)
    assert loaded.shapes == (1, 2)
    assert loaded.tied.weight is loaded.blocks[0].linear.weight
    assert loaded.state_dict().keys() == wanted.keys()
    with pytest.raises(MlopsError, match="--allow-pickle"):
        services.build("net", project=project)
    files = {path.name for path in models.model_files("net").iterdir()}
    assert not [name for name in files if name.endswith((".pth", ".pkl"))]


def test_a_module_of_torch_s_own_classes_needs_no_consent(
    project: Project, cell: Callable[[str], Any]
) -> None:
    source = (
        "import torch\nX = torch.rand(8, 4)\n"
        "net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout())\n"
        "output = net(X)"
    )
    assert cell(f"%%mlops run net --format safetensors\n{source}").success
    run = runs.get("net")
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("safetensors", True)
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    wanted = names["net"].eval()(names["X"])
    assert torch.equal(models.load_model("net")(names["X"]), wanted)


def test_the_flavour_s_word_is_not_taken_for_whether_code_would_run(
    project: Project, cell: Callable[[str], Any]
) -> None:
    _record(cell)
    folder = models.model_files("net")
    (folder / "MLmodel").write_text(
        (folder / "MLmodel").read_text().replace("code: true", "code: false")
    )
    (folder / "model.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(MlopsError, match="runs that code"):
        models.load_model("net")


def test_what_json_cannot_hold_is_pickled_and_says_so(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell(_CLASSES)
    assert cell(f"%%mlops run net\n{_TRAIN}\nnet.extra = object()").success
    run = runs.get("net")
    assert run.model is not None
    assert (run.model.format, run.model.safe) == ("pickle", False)
    assert run.model.inputs == [{"name": "", "type": "float32[-1×4]"}]
    with pytest.raises(NotFound, match="not as weights"):
        models.load_weights("net")
