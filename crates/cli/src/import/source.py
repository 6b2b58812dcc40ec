"""Reads Python source as data. Nothing of it is imported or run: it is parsed, and what is not a plain value is given back as text."""

import ast
import json
import operator
import sys

ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
CONSTANTS = {}
# Names that stand for lists of names grow without end otherwise.
BUDGET = [200_000]


def dotted(node):
    """The last name of `a.b.c`, or nothing."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def value(node, depth=0):
    """A plain value, `{"$call": …}` or `{"$source": …}`."""
    BUDGET[0] -= 1
    if BUDGET[0] < 0:
        raise ValueError("its values are too many")
    if depth > 40:
        return {"$source": "too deep"}
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (str, int, float, bool))):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [value(item, depth + 1) for item in node.elts]
    if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
        keys = [value(key, depth + 1) for key in node.keys]
        if all(isinstance(key, (str, int)) for key in keys):
            return {str(key): value(item, depth + 1) for key, item in zip(keys, node.values)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = value(node.operand, depth + 1)
        if isinstance(number, (int, float)):
            return -number
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = value(node.left, depth + 1), value(node.right, depth + 1)
        if all(isinstance(side, (int, float)) and abs(side) < 1e12 for side in (left, right)):
            try:
                return ARITHMETIC[type(node.op)](left, right)
            except ZeroDivisionError:
                pass
    if isinstance(node, ast.Name) and node.id in CONSTANTS:
        return value(CONSTANTS[node.id], depth + 1)
    if isinstance(node, ast.Call) and dotted(node.func):
        return call(node, depth)
    return {"$source": ast.unparse(node)[:500]}


def call(node, depth=0):
    return {
        "$call": dotted(node.func),
        "of": dotted(node.func.value) if isinstance(node.func, ast.Attribute) else None,
        "args": [value(item, depth + 1) for item in node.args],
        "kwargs": {item.arg: value(item.value, depth + 1) for item in node.keywords if item.arg},
    }


def assignments(tree):
    """Names and what is assigned to them, in any scope: `a.conf.x = v` has the name `x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if dotted(target):
                    yield dotted(target), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None and dotted(node.target):
            yield dotted(node.target), node.value
        elif isinstance(node, ast.Call) and dotted(node.func) == "update":
            for item in node.keywords:
                if item.arg:
                    yield item.arg, item.value


def parsed():
    tree = ast.parse(sys.stdin.buffer.read())
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            CONSTANTS[node.targets[0].id] = node.value
    return tree


def answer(read):
    try:
        print(json.dumps(read(parsed())))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
