"""The program inside a `.pt2` file, rebuilt from the parts that cannot run code.

torch's loader resolves a stored operator name from `torch` to any function (`torch.hub.load`), evaluates size
expressions with `sympy.sympify`, executes guard strings, and writes stored names into the source of
`forward`. Here every operator, expression and name is first checked against a list or a pattern. Debug data
and guards are removed: a prediction does not need them.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from .refused import Refused, one_line

_WHAT = "The program of the pt2 file"
_DEEPEST = 60
_NAME = re.compile(r"[A-Za-z0-9_.]{0,512}", re.ASCII)
#: Text that Python cannot parse as a call or as the end of a string.
_TEXT = re.compile(r"[A-Za-z0-9_.,:+\-=<>/ ]{0,512}", re.ASCII)
_NAME_KEYS = {"name", "as_name", "fqn", "path_name"}
_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)(?:\.(\w+))?", re.ASCII)

#: They read or write files, print, or change the memory of a tensor.
_DENIED = {
    "from_file", "format", "hash", "load", "print", "record_stream", "resize", "resize_", "resize_as",
    "resize_as_", "save", "set", "set_", "set_data", "unsafe_chunk", "warn",
}  # fmt: skip
#: The internal operators of ATen in exported models. Others may skip the checks of their input.
_INTERNAL = {
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "_assert_async", "_assert_scalar", "_assert_tensor_metadata",
    "_cdist_forward", "_conj", "_convolution", "_fft_c2c", "_fft_c2r", "_fft_r2c", "_functional_assert_async",
    "_functional_assert_scalar", "_local_scalar_dense", "_log_softmax", "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional", "_native_batch_norm_legit_no_training", "_neg_view", "_pdist_forward",
    "_reshape_alias", "_scaled_dot_product_flash_attention_for_cpu", "_shape_as_tensor", "_softmax", "_stack",
    "_to_copy", "_trilinear", "_unsafe_view", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "_weight_norm",
    "_weight_norm_interface",
}  # fmt: skip
_PRIMS = {"broadcast_in_dim", "convert_element_type", "device_put", "iota", "view_of"}
_HIGHER = {
    "associative_scan", "cond", "map_impl", "scan", "while_loop", "wrap_with_autocast",
    "wrap_with_set_grad_enabled",
}  # fmt: skip
_VISION = {"deform_conv2d", "nms", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"}
_SCALARS = {
    *(f"_operator.{name}" for name in (
        "abs", "add", "and_", "eq", "floordiv", "ge", "getitem", "gt", "le", "lt", "mod", "mul", "ne", "neg",
        "not_", "or_", "pos", "pow", "sub", "truediv",
    )),
    *(f"math.{name}" for name in ("ceil", "floor", "sqrt", "trunc")),
    *(f"torch.{name}" for name in (
        "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt", "sym_sum",
        "_sym_sqrt", "_C._set_grad_enabled",
    )),
}  # fmt: skip

_FUNCTIONS = {
    "Abs", "Add", "And", "CeilDiv", "CeilToInt", "CleanDiv", "Eq", "Equality", "Float", "FloatTrueDiv", "FloorDiv",
    "FloorToInt", "Ge", "GreaterThan", "Gt", "Identity", "IntTrueDiv", "Integer", "LessThan", "Lt", "Le", "Max",
    "Min", "Mod", "ModularIndexing", "Mul", "Ne", "Not", "Or", "PythonMod", "Rational", "RoundDecimal",
    "RoundToInt", "StrictGreaterThan", "StrictLessThan", "Symbol", "ToFloat", "TruncToFloat", "TruncToInt",
    "Unequality", "Where", "ceiling", "floor",
}  # fmt: skip
#: Nested powers make huge numbers, so their count is limited.
_POWERS = {"FloatPow", "LShift", "Pow", "PowByNatural", "RShift"}
_LARGEST_EXPONENT = 8
_LARGEST_INTEGER = 2**63
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{0,60})?(e-?[0-9]{1,3})?", re.ASCII)
_SYMBOL = re.compile(r"[a-z]{1,5}[0-9]{1,9}", re.ASCII)
_LONGEST_EXPRESSION = 4000
_TREES = {
    "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict",
    "torch.fx.immutable_collections.immutable_dict", "torch.fx.immutable_collections.immutable_list",
}  # fmt: skip


def cleaned(content: bytes) -> bytes:
    """Check `model.json` of a pt2 file and return it without unneeded parts.

    Raises:
        Refused: it names something that could run code, or is not a program.
    """
    with one_line(_WHAT):
        program = json.loads(content)
        if not isinstance(program, dict) or not isinstance(program.get("graph_module"), dict):
            raise Refused(f"{_WHAT} is not there")
        return json.dumps(_rebuilt(program, "", 0)).encode()


def _rebuilt(item: Any, key: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise Refused(f"{_WHAT} is nested too deeply")
    if key in {"metadata", "guards_code"}:
        return {} if key == "metadata" else []
    if key in {"as_custom_obj", "custom_obj"} and item is not None:
        raise Refused(f"{_WHAT} holds an object of a class of its own")
    if key in {"custom_obj_values", "treespec_namedtuple_fields"} and item:
        raise Refused(f"{_WHAT} holds objects of classes of its own")
    if isinstance(item, dict):
        return {
            _plain(name, _NAME): _rebuilt(value, name, depth + 1) for name, value in item.items()
        }
    if isinstance(item, list):
        return [_rebuilt(value, f"{key}[]", depth + 1) for value in item]
    if not isinstance(item, str):
        return item
    if key in {"target", "as_operator"}:
        return _operator(item)
    if key == "expr_str":
        return _expression(item)
    if key in {"in_spec", "out_spec"}:
        return _tree_spec(item)
    return _plain(item, _NAME if key in _NAME_KEYS or key.endswith("_name") else _TEXT)


def _plain(text: str, allowed: re.Pattern[str]) -> str:
    if not allowed.fullmatch(text) or ("__" in text and text.startswith("__")):
        raise Refused(f"{_WHAT} has the name {ascii(text)[:60]}, which no program has")
    return text


def _operator(target: str) -> str:
    found = _OPERATOR.fullmatch(target)
    if found:
        space, name = found[1], found[2]
        internal = name.startswith("_")
        known = {
            "aten": name in _INTERNAL if internal else name not in _DENIED,
            "higher_order": name in _HIGHER,
            "prims": name in _PRIMS,
            "quantized_decomposed": not internal,
            "torchvision": name in _VISION,
        }.get(space, False)
    else:
        known = target in _SCALARS
    if not known:
        raise Refused(f"{_WHAT} calls {ascii(target)[:80]}, which is not on the list of operators")
    return target


def _expression(text: str) -> str:
    """Return a size expression; refuse more than symbols, numbers and arithmetic."""
    if len(text) > _LONGEST_EXPRESSION:
        raise Refused(f"{_WHAT} has a size expression of {len(text):,} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise Refused(f"{_WHAT} has a size that is no expression") from None
    powers = [0]
    _arithmetic(tree, powers)
    if powers[0] > 2:
        raise Refused(f"{_WHAT} has a size that is a power of a power")
    return text


def _arithmetic(node: ast.AST, powers: list[int]) -> None:
    match node:
        case ast.Constant(value=bool() | float()):
            return None
        case ast.Constant(value=int(number)) if abs(number) <= _LARGEST_INTEGER:
            return None
        case ast.Name(id=name) if _SYMBOL.fullmatch(name) or name in {
            "oo",
            "int_oo",
            "true",
            "false",
        }:
            return None
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _arithmetic(operand, powers)
        case ast.BinOp(left=left, right=right, op=operation):
            if isinstance(operation, ast.Pow):
                _power(right, powers)
            elif not isinstance(
                operation, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
            ):
                raise _odd(node)
            _arithmetic(left, powers)
            return _arithmetic(right, powers)
        case ast.Compare(left=left, comparators=others):
            for part in (left, *others):
                _arithmetic(part, powers)
            return None
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=options):
            if any(not isinstance(option.value, ast.Constant) for option in options):
                raise _odd(node)
            if name in {"Symbol", "Float"} and arguments and isinstance(arguments[0], ast.Constant):
                wanted = _SYMBOL if name == "Symbol" else _NUMBER
                if not wanted.fullmatch(str(arguments[0].value)) or len(arguments) > 1:
                    raise _odd(node)
                return None
            if name in _POWERS and len(arguments) == 2:
                _power(arguments[1], powers)
            elif name not in _FUNCTIONS:
                raise _odd(node)
            for argument in arguments:
                _arithmetic(argument, powers)
            return None
    raise _odd(node)


def _power(exponent: ast.AST, powers: list[int]) -> None:
    powers[0] += 1
    match exponent:
        case ast.Call(func=ast.Name(id="Integer"), args=[inner], keywords=[]):
            exponent = inner
    match exponent:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            exponent = inner
    if not (
        isinstance(exponent, ast.Constant)
        and isinstance(exponent.value, (int, float))
        and exponent.value <= _LARGEST_EXPONENT
    ):
        raise Refused(f"{_WHAT} has a size with an exponent that no size has")


def _odd(node: ast.AST) -> Refused:
    return Refused(
        f"{_WHAT} has a size with {ascii(ast.unparse(node))[:60]} in it, which is no arithmetic"
    )


def _tree_spec(text: str) -> str:
    """Return the rebuilt layout of inputs or outputs; refuse more than tuples, lists and dicts."""
    version, tree = json.loads(text)
    if version != 1:
        raise Refused(f"{_WHAT} has inputs of an unknown layout")
    return json.dumps([1, _tree(tree, 0)])


def _tree(node: Any, depth: int) -> dict[str, Any]:
    kind, context, children = node["type"], node["context"], node["children_spec"]
    if depth > _DEEPEST or not isinstance(children, list):
        raise Refused(f"{_WHAT} has inputs of an unknown layout")
    if kind is None:
        return {"type": None, "context": None, "children_spec": []}
    if kind not in _TREES:
        raise Refused(f"{_WHAT} takes inputs of the type {ascii(kind)[:60]}")
    keys = json.loads(context)
    if keys is not None:
        if not isinstance(keys, list) or any(not isinstance(key, (str, int)) for key in keys):
            raise Refused(f"{_WHAT} has inputs of an unknown layout")
        keys = [_plain(key, _TEXT) if isinstance(key, str) else key for key in keys]
    return {
        "type": kind,
        "context": json.dumps(keys),
        "children_spec": [_tree(child, depth + 1) for child in children],
    }
