"""Prints the assignments, imports, calls, settings and names of environ variables in a Python file as JSON. The file is parsed, never run.

The argument is the path. Spans are in bytes of the file. Errors go to standard error.
"""
import ast
import json
import sys

path = sys.argv[1]
with open(path, "rb") as file:
    source = file.read()
try:
    tree = ast.parse(source, path)
except (SyntaxError, ValueError) as error:
    line = getattr(error, "lineno", None) or 1
    sys.exit(f"{path}:{line}: {getattr(error, 'msg', error)}")

starts = [0]
for line in source.splitlines(keepends=True):
    starts.append(starts[-1] + len(line))


def position(node):
    start = starts[node.lineno - 1] + node.col_offset
    return {"line": node.lineno, "span": {"start": start, "end": starts[node.end_lineno - 1] + node.end_col_offset}}


OPERATORS = {ast.Mult: int.__mul__, ast.Add: int.__add__, ast.Sub: int.__sub__, ast.LShift: int.__lshift__}


def whole_number(node):
    """The value of an expression such as 16 * 1024 * 1024, or None."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = whole_number(node.left), whole_number(node.right)
        if left is None or right is None or (isinstance(node.op, ast.LShift) and not 0 <= right < 64):
            return None
        return OPERATORS[type(node.op)](left, right)
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def constant(node):
    """The value of a literal as text, or None."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        value = whole_number(node)
        return None if value is None else str(value)
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def called_name(node):
    """The last part of the name of the called function, or None."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def is_main_guard(node):
    """Whether a statement is `if __name__ == "__main__"`, whose block does not run under a server."""
    return isinstance(node, ast.If) and any(getattr(part, "id", None) == "__name__" for part in ast.walk(node.test))


def setting_name(target):
    """The name in `app.config["NAME"]` or `app.name`, or None."""
    if isinstance(target, ast.Subscript) and getattr(target.value, "attr", None) == "config":
        return constant(target.slice)
    return target.attr if isinstance(target, ast.Attribute) else None


def statements(body, is_certain=True):
    """The statements outside functions and classes, each with whether it runs in any case."""
    for node in body:
        yield node, is_certain
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, part, []), False)
        for handler in getattr(node, "handlers", []):
            yield from statements(handler.body, False)


guarded = {id(node) for guard in ast.walk(tree) if is_main_guard(guard) for node in ast.walk(guard)}
module = {"assignments": [], "annotations": [], "functions": [], "reads": []}
module.update({"imports": [], "calls": [], "variables": [], "settings": []})
for node, is_certain in statements(tree.body):
    if id(node) in guarded:
        continue
    if isinstance(node, ast.FunctionDef):
        module["functions"].append({"name": node.name, **position(node)})
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    for target in targets if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) else []:
        if not isinstance(target, ast.Name):
            continue
        if node.value is None:
            module["annotations"].append({"name": target.id, **position(node)})
            continue
        is_known = is_certain and not isinstance(node, ast.AugAssign)
        value = constant(node.value) if is_known else None
        module["assignments"].append({"name": target.id, "value": value, **position(node)})
for node in ast.walk(tree):
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        module["reads"].append(node.id)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [name.name for name in node.names]
        module["imports"].append({"module": node.module, "names": names, **position(node)})
    elif isinstance(node, ast.Import):
        module["imports"].extend({"module": name.name, "names": [], **position(node)} for name in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("gunicorn.", "wsgi.")):
        module["variables"].append({"name": node.value, **position(node)})
    elif isinstance(node, ast.Assign) and id(node) not in guarded:
        for name in filter(None, map(setting_name, node.targets)):
            module["settings"].append({"name": name, "value": constant(node.value), **position(node)})
    elif isinstance(node, ast.Call) and called_name(node):
        if called_name(node) == "update" and getattr(getattr(node.func, "value", None), "attr", None) == "config":
            for word in node.keywords:
                if word.arg:
                    module["settings"].append({"name": word.arg, "value": constant(word.value), **position(word)})
        keywords = {word.arg: constant(word.value) for word in node.keywords if word.arg}
        arguments = [constant(argument) for argument in node.args]
        module["calls"].append({"name": called_name(node), "arguments": arguments, "keywords": keywords, "is_main": id(node) in guarded, **position(node)})
json.dump(module, sys.stdout)
