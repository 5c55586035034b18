"""Hostile model folders: each attack changes the files of a good model; its payload writes a canary file."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

#: Its value is not looked at.
Attack = Callable[[Path, str], object]


class Payload:
    """A pickle that writes the canary."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.canary}",))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write(path: Path, parts: dict[str, bytes] | list[tuple[str, bytes]], deflate: bool = False) -> None:  # fmt: skip
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in parts.items() if isinstance(parts, dict) else parts:
            archive.writestr(name, content)


def _skops(make: Callable[[str], Any]) -> Attack:
    """An attack that stores another object as skops."""

    def attack(folder: Path, canary: str) -> None:
        import skops.io

        skops.io.dump(make(canary), folder / "model.skops")

    return attack


def _members(change: Callable[[dict[str, bytes], str], Any], file: str = "model.skops", **how: bool) -> Attack:  # fmt: skip
    """An attack that changes the members of an archive."""

    def attack(folder: Path, canary: str) -> None:
        parts = members(folder / file)
        write(folder / file, change(parts, canary) or parts, **how)

    return attack


def _mlmodel(change: Callable[[dict[str, Any]], Any]) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        import yaml

        content = yaml.safe_load((folder / "MLmodel").read_text())
        change(content)
        (folder / "MLmodel").write_text(yaml.safe_dump(content))

    return attack


def _both(*attacks: Attack) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        for one in attacks:
            one(folder, canary)

    return attack


def _file(name: str, content: Callable[[str], bytes]) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content(canary))

    return attack


def pickled(canary: str) -> bytes:
    return pickle.dumps(Payload(canary))


def torch_pickled(canary: str) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(Payload(canary), buffer)
    return buffer.getvalue()


def _function_transformer(_: str) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(func=os.system)


def _linked(folder: Path, canary: str) -> None:
    outside = folder.parent / "outside.pkl"
    outside.write_bytes(pickled(canary))
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to(outside)


def _only_pyfunc(folder: Path, canary: str) -> None:
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "evil_loader.py").write_text(
        f"open({canary!r}, 'w')\ndef _load_pyfunc(path):\n    open({canary!r}, 'w')\n"
    )
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil_loader\n    code: code\n    data: model.skops\n"
        "    env: {virtualenv: python_env.yaml}\n    python_version: 3.11.0\n"
    )


def _pickle_elsewhere(named: str) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        (folder.parent / "evil.pkl").write_bytes(pickled(canary))
        (folder / "model.skops").unlink()
        place = named.format(parent=folder.parent)
        _mlmodel(lambda c: c["flavors"]["sklearn"].update(pickled_model=place))(folder, canary)

    return attack


def _object_array(parts: dict[str, bytes], canary: str) -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(canary)], dtype=object), allow_pickle=True)
    parts[next(name for name in parts if name.endswith(".npy"))] = buffer.getvalue()


def _huge_header(parts: dict[str, bytes], _: str) -> None:
    head = (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99), }".ljust(117) + b"\n"
    )
    parts[next(name for name in parts if name.endswith(".npy"))] = (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head
    )


def _circle(parts: dict[str, bytes], _: str) -> None:
    """Make the first tree's root its own child: scikit-learn would never come to a leaf."""
    import numpy as np

    for name, content in parts.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content))
            if array.dtype.names and "left_child" in array.dtype.names:
                array["left_child"][0] = array["right_child"][0] = 0
                buffer = io.BytesIO()
                np.save(buffer, array)
                parts[name] = buffer.getvalue()


def _schema(change: Callable[[dict[str, Any], str], Any]) -> Attack:
    def changed(parts: dict[str, bytes], canary: str) -> None:
        schema = json.loads(parts["schema.json"])
        parts["schema.json"] = json.dumps(change(schema, canary) or schema).encode()

    return _members(changed)


def _named(module: str, name: str, loader: str) -> Callable[[dict[str, Any], str], Any]:
    return lambda schema, canary: {
        "__class__": name, "__module__": module, "__loader__": loader, "content": schema["content"],
        "attrs": f"touch {canary}", "protocol": schema["protocol"], "_skops_version": "0.16",
    }  # fmt: skip


def _twice(parts: dict[str, bytes], canary: str) -> Any:
    import skops.io

    evil = _function_transformer(canary)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(evil))) as archive:
        return [*parts.items(), ("schema.json", archive.read("schema.json"))]


SKOPS: dict[str, Attack] = {
    "a pickle named model.skops": _file("model.skops", pickled),
    "a function of os": _skops(_function_transformer),
    "a partial of os.system": _skops(lambda canary: partial(os.system, f"touch {canary}")),
    "eval as the model": _schema(_named("builtins", "eval", "FunctionNode")),
    "an operator node": _schema(_named("operator", "methodcaller", "OperatorFuncNode")),
    "a type node of subprocess": _schema(_named("subprocess", "Popen", "TypeNode")),
    "an object of a module of the project": _schema(_named("evil_loader", "Model", "ObjectNode")),
    "an unknown protocol": _schema(lambda schema, _: schema | {"protocol": 10**6}),
    "an old protocol": _schema(lambda schema, _: schema | {"protocol": 0}),
    "two schemas": _members(_twice),
    "schemas that differ in case": _members(lambda p, _: p | {"Schema.json": b"{}"}),
    "a pickle before the archive": lambda f, c: (f / "model.skops").write_bytes(
        pickled(c) + (f / "model.skops").read_bytes()
    ) and None,
    "a pickle after the archive": lambda f, c: (f / "model.skops").write_bytes(
        (f / "model.skops").read_bytes() + pickled(c)
    ) and None,
    "a bomb": _members(lambda p, _: p | {"big.npy": b"\0" * 400_000_000}, deflate=True),
    "a member that leads out": _members(lambda p, _: p | {"../../evil.npy": b""}),
    "an absolute member": _members(lambda p, _: p | {"/tmp/evil.npy": b""}),
    "an array with a pickle": _members(_object_array),
    "an array of terabytes": _members(_huge_header),
    "a tree in a circle": _members(_circle),
    "a schema nested 100,000 deep": _members(
        lambda p, _: p | {"schema.json": b'{"content":' * 100_000 + b"1" + b"}" * 100_000}
    ),
    "an empty file": _file("model.skops", lambda _: b""),
    "a symbolic link to a pickle": _linked,
    "only python_function, with a loader of its own": _only_pyfunc,
    "MLmodel says skops, the file is a pickle": _both(
        _file("model.pkl", pickled), lambda f, _: (f / "model.skops").unlink(),
        _mlmodel(lambda c: c["flavors"]["sklearn"].update(pickled_model="model.pkl", serialization_format="skops")),
    ),
    "a pickle outside, by ..": _pickle_elsewhere("../evil.pkl"),
    "a pickle outside, by its whole path": _pickle_elsewhere("{parent}/evil.pkl"),
    "MLmodel is YAML that calls": _file(
        "MLmodel", lambda c: f"flavors: !!python/object/apply:os.system ['touch {c}']\n".encode()
    ),
    "MLmodel is no mapping": _file("MLmodel", lambda _: b"- a\n- b\n"),
    "MLmodel is not text": _file("MLmodel", lambda _: bytes(range(256))),
    "MLmodel nested deeply": _file("MLmodel", lambda _: b"[" * 50_000),
    "MLmodel says torch, pickled": _both(
        _file("data/model.pth", torch_pickled),
        _file("MLmodel", lambda _: b"flavors: {pytorch: {model_data: data, pytorch_version: 2.13.0, serialization_format: pt2}}\n"),
    ),
}  # fmt: skip


def _pt2(change: Callable[[dict[str, bytes], str, str], Any]) -> Attack:
    """An attack on the members of a pt2 file, given with the folder in the archive."""

    def attack(folder: Path, canary: str) -> None:
        path = folder / "data" / "model.pt2"
        parts = members(path)
        root = next(iter(parts)).partition("/")[0] + "/"
        write(path, change(parts, root, canary) or parts)

    return attack


def _put(name: str, content: Callable[[str], bytes]) -> Attack:
    return _pt2(lambda parts, root, canary: parts | {root + name: content(canary)})


def _program(change: Callable[[dict[str, Any], str], Any]) -> Attack:
    def changed(parts: dict[str, bytes], root: str, canary: str) -> None:
        program = json.loads(parts[f"{root}models/model.json"])
        change(program, canary)
        parts[f"{root}models/model.json"] = json.dumps(program).encode()

    return _pt2(changed)


def _text(old: str, new: str) -> Attack:
    """An attack that exchanges text in the program."""

    def changed(parts: dict[str, bytes], root: str, canary: str) -> None:
        name = f"{root}models/model.json"
        text = json.dumps(json.loads(parts[name]))
        assert old in text, old
        parts[name] = text.replace(old, json.dumps(new.format(canary=canary))[1:-1]).encode()

    return _pt2(changed)


def _call(target: str, *strings: str) -> Attack:
    """An attack that lets the first node of the program call something with strings."""

    def change(program: dict[str, Any], canary: str) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] = [
            {"name": f"a{place}", "arg": {"as_string": text.format(canary=canary)}, "kind": 1}
            for place, text in enumerate(strings)
        ]

    return _program(change)


def _stored(kind: str, prefix: str, content: Callable[[str], bytes]) -> Attack:
    """An attack that keeps a weight or a constant as a pickle."""

    def changed(parts: dict[str, bytes], root: str, canary: str) -> None:
        name = f"{root}data/{kind}/model_{kind}_config.json"
        config = json.loads(parts[name])
        first = next(iter(config["config"]), "0.weight")
        config["config"][first] = {
            "path_name": f"{prefix}_9", "is_param": kind == "weights", "use_pickle": True, "tensor_meta": None
        }  # fmt: skip
        parts[name] = json.dumps(config).encode()
        parts[f"{root}data/{kind}/{prefix}_9"] = content(canary)

    return _pt2(changed)


def _old_layout(folder: Path, canary: str) -> None:
    path = folder / "data" / "model.pt2"
    parts = members(path)
    root = next(iter(parts)).partition("/")[0] + "/"
    write(
        path,
        {
            "version": b"8.20", "serialized_exported_program.json": parts[f"{root}models/model.json"],
            "serialized_state_dict.pt": torch_pickled(canary), "serialized_constants.pt": torch_pickled(canary),
            "serialized_example_inputs.pt": torch_pickled(canary),
        },
    )  # fmt: skip


def _wide(parts: dict[str, bytes], root: str, _: str) -> None:
    name = f"{root}data/weights/model_weights_config.json"
    config = json.loads(parts[name])
    next(iter(config["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": 2**40}] * 2
    parts[name] = json.dumps(config).encode()


_EXPRESSION = "Symbol('s"
PT2: dict[str, Attack] = {
    "a pickle as the file": _file("data/model.pt2", torch_pickled),
    "sample inputs that are a pickle": _put("data/sample_inputs/model.pt", torch_pickled),
    "a weight that is a pickle": _stored("weights", "weight", torch_pickled),
    "a constant that is a pickle": _stored("constants", "tensor", torch_pickled),
    "an opaque object": _stored("constants", "opaque_obj", pickled),
    "a custom object": _stored("constants", "custom_obj", torch_pickled),
    "weights of the older layout": _put("data/weights/model.pt", torch_pickled),
    "constants of the older layout": _put("data/constants/model.pt", torch_pickled),
    "the layout of torch 2.7": _old_layout,
    "a compiled library": _put("data/aotinductor/model/model.wrapper.so", lambda _: b"\x7fELF"),
    "a second model": _put("models/other.json", lambda _: b"{}"),
    "a call of os.system": _call("torch.serialization.os.system", "touch {canary}"),
    "a call of torch.hub.load": _call("torch.hub.load", "{canary}", "model"),
    "a call of eval through torch": _call("torch.fx.graph_module.__builtins__.eval", "open('{canary}','w')"),
    "a call of eval through operator": _call("_operator.methodcaller.__class__.__base__.__subclasses__", "x"),
    "an operator that makes a file": _call("torch.ops.aten.from_file.default", "{canary}"),
    "an operator that saves": _call("torch.ops.aten.save.default", "{canary}", "{canary}"),
    "an operator of another library": _call("torch.ops.evil.run.default", "{canary}"),
    "an internal operator without checks": _call("torch.ops.aten._sparse_coo_tensor_unsafe.default", "x"),
    "a size that is code": _text(_EXPRESSION, "__import__('os').system('touch {canary}') or Symbol('s"),
    "a size that is code in a symbol": _text(_EXPRESSION, "Symbol(str(__import__('os').system('touch {canary}')) + 's"),
    "a size that is a tower of powers": _text(_EXPRESSION, "9**9**9**9 + Symbol('s"),
    "inputs that import a module": _text(
        '\\"context\\": \\"null\\"', '"context": "[{{\\"__enum__\\": 1, \\"fqn\\": \\"antigravity:x\\", \\"name\\": \\"x\\"}}]"'
    ),
    "a name that is code": _text('"name": "linear"', '"name": "x): import os; os.system(\'touch {canary}\') #"'),
    "a weight of terabytes": _pt2(_wide),
    "two programs": _pt2(
        lambda p, root, _: [*p.items(), (f"{root}models/model.json", p[f"{root}models/model.json"])]
    ),
    "two folders": _pt2(lambda p, root, c: p | {"other/data/sample_inputs/model.pt": torch_pickled(c)}),
    "a program nested 100,000 deep": _put("models/model.json", lambda _: b'{"graph_module":' * 100_000),
    "a script before the archive": lambda f, c: (f / "data/model.pt2").write_bytes(
        f"#!/bin/sh\ntouch {c}\n".encode() + (f / "data/model.pt2").read_bytes()
    ) and None,
}  # fmt: skip
#: Debug data and guards are not loaded at all, so the model is as good as before.
PT2_HARMLESS: dict[str, Attack] = {
    "guards that are code": _program(
        lambda p, c: p.update(guards_code=[f"__import__('os').system('touch {c}')"])
    ),
    "metadata that names functions": _program(
        lambda p, c: p["graph_module"]["graph"]["nodes"][0].update(
            metadata={"source_fn_stack": "x,torch.serialization.os.system", "custom": "{"}
        )
    ),
    "extra files": _put("extra/evil.py", lambda c: f"open({c!r}, 'w')".encode()),
}


def _structure(change: Callable[[dict[str, Any], str], Any]) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        structure = json.loads((folder / "structure.json").read_text())
        structure = change(structure, canary) or structure
        (folder / "structure.json").write_text(json.dumps(structure))

    return attack


def _first(**attributes: Any) -> Attack:
    return _structure(
        lambda s, _: next(iter(s["modules"].values()))["attributes"].update(attributes)
    )


def _header(change: Callable[[dict[str, Any]], Any]) -> Attack:
    def attack(folder: Path, _: str) -> None:
        content = (folder / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        text = json.dumps(change(header) or header).encode()
        (folder / "model.safetensors").write_bytes(
            struct.pack("<Q", len(text)) + text + content[8 + length :]
        )

    return attack


def _evil_source(canary: str) -> bytes:
    return f"import os\nos.system('touch {canary}')\n".encode()


def _module_beside(folder: Path, canary: str) -> None:
    (Path.cwd() / "evil_module.py").write_text(f"open({canary!r}, 'w')\nclass Net: pass\n")
    _structure(lambda s, _: s.update({"class": "evil_module:Net"}))(folder, canary)


SAFETENSORS: dict[str, Attack] = {
    "source beside it, MLmodel says none": _file("model.py", _evil_source),
    "a class of a module of the project": _module_beside,
    "a class that is os.system": _structure(lambda s, _: s.update({"class": "os:system"})),
    "a function of torch.nn as class": _structure(lambda s, _: s.update({"class": "torch.nn.modules.module:warnings"})),
    "a class that torch.nn only imports": _structure(lambda s, _: s.update({"class": "torch.nn.parallel.distributed:RRef"})),
    "forward exchanged": _first(forward={"kind": "function", "items": "relu"}),
    "hooks set": _first(_forward_hooks={"kind": "dict", "items": {"0": {"kind": "function", "items": "relu"}}}),
    "a dunder set": _first(__class__="x"),
    "a function that is none of torch": _first(activation={"kind": "function", "items": "__builtins__"}),
    "a type that is none": _first(dtype={"kind": "dtype", "items": "os"}),
    "a structure nested 100,000 deep": _file("structure.json", lambda _: b'{"modules":{"a":' * 100_000),
    "a structure that is a list": _file("structure.json", lambda _: b"[1]"),
    "a structure of wrong types": _structure(lambda s, _: {"class": "torch.nn.modules.linear:Linear", "modules": [1]}),
    "a header of exabytes": lambda f, _: (f / "model.safetensors").write_bytes(b"\xff" * 7 + b"\0") and None,
    "a header beyond the file": lambda f, _: (f / "model.safetensors").write_bytes(struct.pack("<Q", 10**6) + b"{}") and None,
    "tensors that overlap": _header(lambda h: [item.update(data_offsets=[0, 4]) for k, item in h.items() if k != "__metadata__"] and None),
    "tensors beyond the file": _header(lambda h: [item.update(data_offsets=[0, 2**40]) for k, item in h.items() if k != "__metadata__"] and None),
    "a negative shape": _header(lambda h: [item.update(shape=[-1]) for k, item in h.items() if k != "__metadata__"] and None),
    "a header nested deeply": lambda f, _: (f / "model.safetensors").write_bytes(
        struct.pack("<Q", 200_000) + b"[" * 200_000
    ) and None,
    "a pickle as the weights": _file("model.safetensors", torch_pickled),
}  # fmt: skip


def _onnx(change: Callable[[Any, str], Any]) -> Attack:
    def attack(folder: Path, canary: str) -> None:
        import onnx

        path = next(folder.glob("*.onnx"))
        model = onnx.load(path)
        change(model, canary)
        path.write_bytes(model.SerializeToString())

    return attack


def _external(place: str) -> Attack:
    def change(model: Any, _: str) -> None:
        tensor = model.graph.initializer.add(name="outside", data_type=1, dims=[4])
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=place)

    return _onnx(change)


def _hidden_graph(folder: Path, _: str) -> None:
    """Hide a graph with numbers in another file behind a plain, empty one: onnxruntime cuts a tag to 32 bits."""
    import onnx

    path = next(folder.glob("*.onnx"))
    _external("secret.bin")(folder, "")
    model = onnx.load(path, load_external_data=False)
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    length, size = len(graph), b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    hidden = b"\xba\x80\x80\x80\x10" + size + bytes([length]) + graph
    path.write_bytes(model.SerializeToString() + b"\x3a\0" + hidden)


def _attribute_outside(model: Any, _: str) -> None:
    """Keep the numbers of a constant, inside of a branch, in another file."""
    import onnx

    inner = onnx.helper.make_graph([], "inner", [], [])
    constant = inner.node.add(op_type="Constant", output=["c"])
    tensor = constant.attribute.add(name="value", type=4).t
    tensor.data_type, tensor.data_location = 1, 1
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = model.graph.node.add(op_type="If", input=["x"], output=["unused"])
    node.attribute.add(name="then_branch", type=5).g.CopyFrom(inner)


ONNX: dict[str, Attack] = {
    "numbers outside, by ..": _external("../../../../../etc/passwd"),
    "numbers outside, by a whole path": _external("/etc/passwd"),
    "numbers in a file beside it": _external("MLmodel"),
    "numbers outside, in a branch": _onnx(_attribute_outside),
    "operators of another library": _onnx(
        lambda m, _: (m.graph.node.add(op_type="Evil", domain="com.evil", output=["e"]), m.opset_import.add(domain="com.evil", version=1))
    ),
    "Python operators": _onnx(
        lambda m, _: (m.graph.node.add(op_type="PyOp", domain="ai.onnx.contrib", output=["e"]), m.opset_import.add(domain="ai.onnx.contrib", version=1))
    ),
    "a graph behind a number of 33 bits": _hidden_graph,
    "a field without a number": lambda f, _: next(f.glob("*.onnx")).write_bytes(next(f.glob("*.onnx")).read_bytes() + b"\x02\0") and None,
    "a compiled part": _onnx(lambda m, _: m.graph.node.add(op_type="EPContext", domain="com.microsoft", output=["e"])),
    "another file, by ..": _mlmodel(lambda c: c["flavors"]["onnx"].update(data="../../other.onnx")),
    "another file, by its whole path": _mlmodel(lambda c: c["flavors"]["onnx"].update(data="/etc/passwd")),
    "no file at all": _mlmodel(lambda c: c["flavors"]["onnx"].update(data=["x"])),
    "a pickle as the file": lambda f, c: next(f.glob("*.onnx")).write_bytes(pickled(c)) and None,
    "a compiled format": lambda f, _: next(f.glob("*.onnx")).write_bytes(b"\x20\0\0\0ORTM" + b"\0" * 64) and None,
    "an empty file": lambda f, _: next(f.glob("*.onnx")).write_bytes(b"") and None,
    "a graph that ends too early": lambda f, _: next(f.glob("*.onnx")).write_bytes(next(f.glob("*.onnx")).read_bytes()[:-20]) and None,
}  # fmt: skip


def restored(folder: Path, kept: Path) -> None:
    """Put the files of a model back as they were."""
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
