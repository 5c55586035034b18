"""A `.pt2` file of `torch.export`: check it, and load a new archive of its checked parts.

`torch.export.load` unpickles sample inputs, weights, constants and objects without limits if the file says
so, falls back to older layouts, and loads compiled libraries. Here a new archive is loaded. It has the
checked program and the plain numbers, and no pickle of the file.
"""

from __future__ import annotations

import json
import os
import pickletools
import re
import tempfile
from pathlib import Path
from typing import Any

from . import pt2_program
from .archives import Archive
from .refused import Refused, one_line

RUNS_CODE = False
_WHAT = "The pt2 file"
_PROGRAM = "models/model.json"
_SAMPLE = "data/sample_inputs/model.pt"
_CONFIGS = {
    "data/weights/": "data/weights/model_weights_config.json",
    "data/constants/": "data/constants/model_constants_config.json",
}
_NUMBERS = re.compile(r"data/(weights/weight|constants/tensor)_[0-9]{1,9}", re.ASCII)
#: Metadata of torch, or free text of the user; none of it is loaded.
_LEFT_OUT = re.compile(
    r"archive_format|archive_version|byteorder|\.data/[a-z_]+|\.format_version|\.storage_alignment|extra/.*",
    re.ASCII | re.DOTALL,
)
#: The globals in a pickle of plain tensors; `pickletools` writes a global as "module name".
_GLOBALS = re.compile(
    r"torch\._utils _rebuild_(tensor_v2|parameter)|collections OrderedDict|torch Size|torch device"
    r"|torch (Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|ComplexFloat|ComplexDouble)Storage"
    r"|torch (float|int|uint)[0-9]{1,2}|torch bfloat16|torch bool",
    re.ASCII,
)
#: Element size in bytes, by torch's number of the type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2}


def check(path: Path) -> None:
    """Raise unless torch's own loader would also run no code of the file.

    Raises:
        Refused: it holds a pickle of more than tensors, a library, or a program that calls more than operators.
    """
    with Archive(path, _WHAT) as archive:
        _checked(archive)


def load(path: Path) -> Any:
    """Return the exported program of a file, with weights but without sample inputs.

    Raises:
        Refused: the check fails, or torch cannot read the file.
    """
    # Opened once: another file may take its place after the check.
    with Archive(path, _WHAT) as archive:
        members, root = _checked(archive), _root(archive)
        from torch.export.pt2_archive import PT2ArchiveWriter

        scratch = Path(tempfile.mkdtemp(prefix="mlops-pt2-"))
        rebuilt = scratch / "model.pt2"
        try:
            with one_line(_WHAT):
                with PT2ArchiveWriter(str(rebuilt)) as writer:
                    for name, content in members.items():
                        writer.write_bytes(
                            name, archive.read(root + name) if content is None else content
                        )
                program = _loaded(str(rebuilt))
                for node in program.graph.nodes:
                    _refuse_unknown(node.target)
                return program
        finally:
            rebuilt.unlink(missing_ok=True)
            scratch.rmdir()


def serve(file: Path, about: dict[str, Any], device: str) -> Any:
    """Return the module for a service, on a device."""
    return on_device(load(file), device)


def on_device(program: Any, device: str) -> Any:
    """Return the module of an exported program, on a device."""
    if device != "cpu":
        from torch.export.passes import move_to_device_pass

        # An exported graph stores the device of its constants; `.to()` does not move these.
        program = move_to_device_pass(program, device)
    return program.module()


def _loaded(path: str) -> Any:
    import torch

    # With this variable, torch reads any pickle with weights_only=True.
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ[names[0]] = "1"
    try:
        return torch.export.load(path)
    finally:
        del os.environ[names[0]]
        os.environ.update(before)


def _refuse_unknown(target: Any) -> None:
    """Refuse an operator that only TorchScript has: it has no kernel, and may write files."""
    import torch

    known = torch._C._dispatch_has_kernel  # noqa: SLF001 - there is no public function
    if isinstance(target, torch._ops.OpOverload) and not known(target.name()):  # noqa: SLF001
        raise Refused(f"The program of the pt2 file calls {target.name()}, which has no kernel")


def _checked(archive: Archive) -> dict[str, bytes | None]:
    """Return the members of the new archive; members with None are copied unchanged."""
    root = _root(archive)
    names = {name.removeprefix(root) for name in archive.names}
    members: dict[str, bytes | None] = {}
    for name in sorted(names):
        if _NUMBERS.fullmatch(name):
            members[name] = None
        elif name == _SAMPLE:
            _check_sample(archive.read(root + name))
        elif name not in {_PROGRAM, *_CONFIGS.values()} and not _LEFT_OUT.fullmatch(name):
            raise Refused(
                f"{_WHAT} holds '{ascii(name)[1:-1][:60]}', which a model of plain numbers has not"
            )
    if root + _PROGRAM not in archive.names:
        raise Refused(f"{_WHAT} is not of the layout that torch.export writes now")
    if archive.read(root + "archive_format") != b"pt2":
        raise Refused(f"{_WHAT} has another model type")
    members[_PROGRAM] = pt2_program.cleaned(archive.read(root + _PROGRAM))
    for folder, config in _CONFIGS.items():
        members[config] = _config(archive.read(root + config), folder, archive, root)
    version = archive.read(root + "archive_version")
    if not version.isdigit():
        raise Refused(f"{_WHAT} has no version")
    members |= {_SAMPLE: b"", "archive_format": b"pt2", "archive_version": version}
    return members


def _root(archive: Archive) -> str:
    """Return the common folder of all members."""
    roots = {name.partition("/")[0] for name in archive.names}
    if len(roots) != 1:
        raise Refused(f"{_WHAT} holds more than one model")
    return f"{roots.pop()}/"


def _config(content: bytes, folder: str, archive: Archive, root: str) -> bytes:
    """Return a list of tensors; refuse a tensor that exceeds its stored numbers."""
    with one_line(_WHAT):
        listed = json.loads(content)["config"]
        clean = {name: _entry(name, item, folder, archive, root) for name, item in listed.items()}
        return json.dumps({"config": clean}).encode()


def _entry(
    name: str, item: dict[str, Any], folder: str, archive: Archive, root: str
) -> dict[str, Any]:
    if not re.fullmatch(r"[\w.]{1,512}", name):
        raise Refused(f"{_WHAT} has a weight with the name {ascii(name)[:60]}")
    if item["use_pickle"] is not False:
        raise Refused(f"{_WHAT} keeps '{name}' as a pickle")
    file = f"{folder}{item['path_name']}"
    stored = archive.size(root + file)
    if not _NUMBERS.fullmatch(file) or stored < 0:
        raise Refused(f"{_WHAT} names numbers that it does not hold")
    meta = item["tensor_meta"]
    sizes: list[int] = [_whole(size) for size in meta["sizes"]]
    strides: list[int] = [_whole(step) for step in meta["strides"]]
    offset = _whole(meta["storage_offset"])
    width = _SIZES.get(meta["dtype"], 0)
    if len(sizes) != len(strides) or not width:
        raise Refused(f"{_WHAT} has a weight of an unknown kind")
    reach = offset + 1 + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
    if reach * width > stored and all(sizes):
        raise Refused(f"{_WHAT} has a weight that is larger than its numbers")
    device = meta["device"]
    if not re.fullmatch(r"[a-z]{1,12}", str(device["type"])) or type(device.get("index")) not in {
        int,
        type(None),
    }:
        raise Refused(f"{_WHAT} has a weight on an unknown device")
    return {
        "path_name": item["path_name"],
        "is_param": item["is_param"] is True,
        "use_pickle": False,
        "tensor_meta": {
            "dtype": meta["dtype"],
            "sizes": [{"as_int": size} for size in sizes],
            "requires_grad": meta["requires_grad"] is True,
            "device": {"type": device["type"], "index": device.get("index")},
            "strides": [{"as_int": step} for step in strides],
            "storage_offset": {"as_int": offset},
            "layout": int(meta["layout"]),
        },
    }


def _whole(item: dict[str, Any]) -> int:
    number = item["as_int"]
    if type(number) is not int or not 0 <= number < 2**48:
        raise Refused(f"{_WHAT} has a weight of a size that none has")
    return number


def _check_sample(content: bytes) -> None:
    """Refuse sample inputs other than tensors, by the pickle's instructions."""
    if not content:
        return
    with Archive(content, "The sample inputs of the pt2 file") as archive, one_line(_WHAT):
        pickles = [name for name in archive.names if name.endswith(".pkl")]
        if len(pickles) != 1:
            raise Refused(f"{_WHAT} has sample inputs of an unknown layout")
        for instruction, argument, _ in pickletools.genops(archive.read(pickles[0])):
            name = instruction.name
            if name in {
                "STACK_GLOBAL",
                "INST",
                "OBJ",
                "EXT1",
                "EXT2",
                "EXT4",
                "BUILD",
                "NEWOBJ",
                "NEWOBJ_EX",
            } or (name == "GLOBAL" and not _GLOBALS.fullmatch(str(argument))):
                shown = f" ({ascii(argument)[:60]})" if name == "GLOBAL" else ""
                raise Refused(
                    f"The sample inputs of the pt2 file are a pickle of more than tensors{shown}"
                )
