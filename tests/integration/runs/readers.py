"""Does what the table of readers says, in one process: `python readers.py PROJECT MODE RESULT`.

Each call of the table is made within a `FileWatch` block; RESULT gets, as JSON, what that said was read
and what the table's file names come to. Modes: `default`, `refused` (a machine without fanotify) and
`deep` (the same, in a process that has the shim).
"""

# ruff: noqa: F401
from __future__ import annotations

import bz2
import concurrent.futures
import csv
import gzip
import json
import lzma
import mmap
import multiprocessing
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
import warnings
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

TABLE = Path(__file__).parents[3] / "jupyter_mlops/runs/capture/README.md"


def rows() -> dict[str, tuple[str, str, str]]:
    """Read the table on the page: reader → (call, layer, deep)."""
    lines = re.findall(
        r"^\| (.+?) \| `(.+)` \| (Python|fanotify) \| (\w+) \|$", TABLE.read_text(), re.MULTILINE
    )
    return {name: (call, layer, deep) for name, call, layer, deep in lines}


class Rows:
    """A torch data set that reads its file where it is asked for a row."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __len__(self) -> int:
        return 2

    def __getitem__(self, _: int) -> Any:
        import torch

        return torch.load(self.path)


def read(path: str) -> int:
    return len(Path(path).read_bytes())


def in_process(method: Any, path: str) -> None:
    process = multiprocessing.get_context(method).Process(target=read, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0


def in_pool(path: str) -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(read, [path])


def in_executor(path: str) -> None:
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(read, path).result()


def in_thread(path: str) -> None:
    thread = threading.Thread(target=read, args=(path,))
    thread.start()
    thread.join()


def namespace() -> dict[str, Any]:
    """Import all readers, once."""
    import duckdb
    import fastparquet
    import fsspec
    import h5py
    import joblib
    import lightgbm
    import numpy as np
    import onnx
    import onnxruntime
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.dataset
    import pyarrow.feather
    import pyarrow.json
    import pyarrow.orc
    import pyarrow.parquet
    import safetensors.numpy
    import safetensors.torch
    import scipy.io.wavfile
    import scipy.sparse
    import sklearn.datasets
    import skops.io
    import sqlalchemy
    import tables
    import torch
    import xgboost
    from PIL import Image
    from safetensors import safe_open

    return globals() | locals()


def write_files(names: dict[str, Any]) -> None:
    """Write one small file of every format into the working folder."""
    pd, np, torch, pa = (names[name] for name in ("pd", "np", "torch", "pa"))
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1, 0, 1, 0]})
    array = np.arange(8.0)
    for suffix in ("csv", "csv.gz", "csv.bz2", "csv.xz"):
        frame.to_csv(f"t.{suffix}", index=False)
    frame.to_json("t.json")
    frame.to_json("t.ndjson", lines=True, orient="records")
    frame.to_pickle("t.pickle")
    frame.to_stata("t.dta", write_index=False)
    frame.to_excel("t.xlsx", index=False)
    frame.to_hdf("t.hdf", key="a")
    frame.to_parquet("t.parquet")
    frame.to_parquet("parts", partition_cols=["b"])
    frame.to_orc("t.orc")
    pa.feather.write_feather(pa.table(frame), "t.feather", compression="uncompressed")
    Path("t.xml").write_text("<a/>")
    with zipfile.ZipFile("t.zip", "w") as archive:
        archive.writestr("a", "1")
    with tarfile.open("t.tar", "w") as archive:
        archive.add("t.csv")
    with sqlite3.connect("t.db") as database:
        database.execute("create table t (a)")
    database.close()
    with names["duckdb"].connect("t.duckdb") as database:
        database.execute("create table t (a int)")
    np.save("t.npy", array)
    np.savez("t.npz", a=array)
    torch.save(torch.ones(2), "t.pt")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2)), "t.jit")
    names["Image"].new("L", (2, 2)).save("t.png")
    names["joblib"].dump(array, "t.joblib")
    scipy = names["scipy"]
    scipy.io.savemat("t.mat", {"a": array})
    scipy.io.mmwrite("t.mtx", np.eye(2))
    scipy.io.wavfile.write("t.wav", 8000, array.astype("int16"))
    scipy.sparse.save_npz("t.sparse.npz", scipy.sparse.eye(2).tocsr())
    with names["h5py"].File("t.h5", "w") as file:
        file["a"] = array
    names["safetensors"].numpy.save_file({"a": array}, "t.safetensors")
    names["skops"].io.dump({"a": 1}, "t.skops")
    _write_models(names, frame)


def _write_models(names: dict[str, Any], frame: Any) -> None:
    np, onnx = names["np"], names["onnx"]
    names["sklearn"].datasets.dump_svmlight_file(frame[["a", "b"]], frame["b"], "t.svm")
    quiet = {"verbosity": -1, "min_data_in_leaf": 1, "min_data_in_bin": 1}
    data = names["lightgbm"].Dataset(np.ones((8, 1)), label=np.arange(8))
    names["lightgbm"].train(quiet, data, 1).save_model("t.lgb")
    matrix = names["xgboost"].DMatrix(np.ones((4, 1)), label=np.arange(4))
    names["xgboost"].train({"verbosity": 0}, matrix, 1).save_model("t.xgb.json")
    shape = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", shape[:1], shape[1:])
    opset = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), "t.onnx")


def expected(call: str) -> list[str]:
    """Return the files that the call names; of a folder, those in it."""
    named = re.findall(r"(?<![\w.])(t(?:\.\w+)+|parts)(?=[\"'?/ )])", call)
    paths = [Path(name) for name in dict.fromkeys(named)]
    inside = [sorted(path.rglob("*.parquet")) if path.is_dir() else [path] for path in paths]
    return [str(path) for group in inside for path in group]


def main(root: str, modes: str, result: str) -> None:
    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.capture import fanotify

    def refused(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    project = Project.find(root)
    names = namespace()
    os.chdir(root)
    write_files(names)
    found = {}
    for mode in modes.split(","):
        if mode != "default":
            setattr(fanotify, "FanotifyWatch", refused)  # noqa: B010 - a class is no name to assign to
        found[mode] = {name: _tried(project, names, call) for name, (call, _, _) in rows().items()}
    Path(result).write_text(json.dumps(found))


def _tried(project: Any, names: dict[str, Any], call: str) -> dict[str, Any]:
    from jupyter_mlops.runs.capture.file_reads import FileWatch

    error = ""
    with FileWatch(project) as reads:
        try:
            exec(call, names)
        except Exception as problem:
            error = repr(problem)
    for path in reads.inputs:  # as a run does: else its hashing is seen by the next block
        reads.early.version(path)
    return {
        "inputs": sorted(project.relative(path) for path in reads.inputs),
        "outputs": [project.relative(path) for path in reads.outputs],
        "expected": sorted(expected(call)),
        "told": reads.layers_text,
        "error": error,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:4])
