"""Prints the assignments, imports, calls and names of environ variables in a Python file as JSON. The file is parsed, never run.

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


def constant(node):
    """The value of a literal as text, or None."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def called_name(node):
    """The last part of the name of the called function, or None."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


module = {"assignments": [], "imports": [], "calls": [], "variables": []}
for node in tree.body:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                module["assignments"].append({"name": target.id, "value": constant(node.value), **position(node)})
for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and not node.level:
        names = [name.name for name in node.names]
        module["imports"].append({"module": node.module, "names": names, **position(node)})
    elif isinstance(node, ast.Import):
        module["imports"].extend({"module": name.name, "names": [], **position(node)} for name in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("gunicorn.", "wsgi.")):
        module["variables"].append({"name": node.value, **position(node)})
    elif isinstance(node, ast.Call) and called_name(node):
        keywords = {word.arg: constant(word.value) for word in node.keywords if word.arg}
        arguments = [constant(argument) for argument in node.args]
        module["calls"].append({"name": called_name(node), "arguments": arguments, "keywords": keywords, **position(node)})
json.dump(module, sys.stdout)
