"""The model of a run: its record, files, inputs, training data and the loaded model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import data, formats
from jupyter_mlops.errors import NotFound
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.logged_model import REFERENCE
from jupyter_mlops.tracking import artifacts

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mlops.runs.records import ModelInfo, RunDetail

_TABLES = {".parquet", ".pq", ".csv", ".tsv", ".feather", ".json", ".jsonl"}


@dataclass(frozen=True)
class Model:
    """The model of a run; its files and training data are read once."""

    stored: query.StoredRun
    project: Project

    @classmethod
    def find(cls, run: str, *, project: Project | None = None) -> Model:
        """Find a run by its id, its name or the start of its id; the run may have no model.

        Raises:
            NotFound: there is no such run.
        """
        project = project or Project.find()
        return cls(query.look_up(run, project=project), project)

    @property
    def run(self) -> RunDetail:
        """The run."""
        return self.stored.detail

    @property
    def info(self) -> ModelInfo:
        """The record of the model, without loading it.

        Raises:
            NotFound: the run has no model.
        """
        if self.run.model is None:
            raise NotFound(
                f"Run '{self.run.name}' ({self.run.run_id[:8]}) has no model",
                "Fit an estimator in the recorded cell, or name it: %%mlops run NAME --model VARIABLE",
            )
        return self.run.model

    @cached_property
    def folder(self) -> Path:
        """A local folder with `MLmodel` and the files that it names."""
        return artifacts.local_model(self.stored.store, self.info.uri)

    @property
    def format(self) -> formats.Format:
        """The format of the files; the recorded format is not used."""
        return formats.get(formats.judge(self.folder).format)

    def load(self, *, allow_pickle: bool = False) -> Any:
        """Load and return the native model.

        Raises:
            MlopsError: loading it runs code and `allow_pickle` is False, or its files are damaged or hostile.
        """
        # Refuse by the record before the download. Then the files decide the format.
        formats.refuse_pickle(self.info.format, allowed=allow_pickle)
        format = formats.judge(self.folder).format
        return formats.load(self.folder, format, allow_pickle=allow_pickle)

    def weights(self) -> dict[str, Any]:
        """Return the weights of a torch model by name; no code of the model runs.

        Raises:
            NotFound: the format does not store the weights separately.
        """
        known = formats.with_weights()
        if self.info.format not in known:
            raise NotFound(
                f"Run '{self.run.name}' keeps its model as {self.info.format}, not as weights",
                f"torch models kept as {' or '.join(known)} have them",
            )
        return formats.weights(self.folder, formats.judge(self.folder).format)

    @cached_property
    def training_data(self) -> pd.DataFrame:
        """The training data of the model.

        This is the first table among the run's input versions that has all of the model's columns,
        read from the data cache; else the run's stored sample of at most 1,000 rows.

        Raises:
            NotFound: the run read no table and has no sample.
        """
        wanted = {item["name"] for item in self.run.model.inputs} if self.run.model else set()
        for use in self.run.data:
            # The data cache has versions of files, not of URLs.
            if (
                "://" not in use.path
                and use.role == "input"
                and Path(use.path).suffix.lower() in _TABLES
            ):
                frame = data.frame(use.version, use.path, project=self.project)
                if wanted <= set(map(str, frame.columns)):
                    return frame
        if REFERENCE in self.run.artifacts:
            return data.read_table(self.stored.file(REFERENCE))
        raise NotFound(
            f"Run '{self.run.name}' read no table and kept no sample of its training data",
            "Read the data in the recorded cell, or train on a DataFrame",
        )


def model_files(run: str, *, project: Project | None = None) -> Path:
    """Return a local folder with the run's MLflow model (`MLmodel` and the files it names).

    Raises:
        NotFound: the run has no model.
    """
    return Model.find(run, project=project).folder


def load_model(run: str, *, allow_pickle: bool = False, project: Project | None = None) -> Any:
    """Return the native model of a run: a scikit-learn estimator or a torch module.

    For ONNX, return an onnxruntime session with `predict`, and `predict_proba` for a classifier.

    Raises:
        NotFound: the run has no model.
        MlopsError: loading it runs code and `allow_pickle` is False, or its files are damaged or hostile.
    """
    return Model.find(run, project=project).load(allow_pickle=allow_pickle)


def load_weights(run: str, *, project: Project | None = None) -> dict[str, Any]:
    """Return the weights of a run's torch model by name; no code of the model runs.

    Raises:
        NotFound: the run has no model, or its format does not store the weights separately.
    """
    return Model.find(run, project=project).weights()


def signature(run: str, *, project: Project | None = None) -> list[dict[str, str]]:
    """Return the model's inputs as {name, type}, in order."""
    return Model.find(run, project=project).info.inputs


def training_data(run: str, *, project: Project | None = None) -> pd.DataFrame:
    """Return the training data of the run's model.

    Raises:
        NotFound: the run read no table and has no sample.
    """
    return Model.find(run, project=project).training_data
