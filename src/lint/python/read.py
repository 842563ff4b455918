"""Says what a Python file assigns, imports and calls, as JSON on standard output. The file is parsed, never run.

Argument: the path. Places are in bytes of the file. What is wrong with the file goes to standard error.
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


def place(node):
    start = starts[node.lineno - 1] + node.col_offset
    return {"line": node.lineno, "span": {"start": start, "end": starts[node.end_lineno - 1] + node.end_col_offset}}


def constant(node):
    """The value of a literal as text, or nothing."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def called(node):
    """The last part of the name that is called."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


facts = {"assignments": [], "imports": [], "calls": []}
for node in tree.body:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                facts["assignments"].append({"name": target.id, "value": constant(node.value), **place(node)})
for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and not node.level:
        facts["imports"].append({"module": node.module, **place(node)})
    elif isinstance(node, ast.Import):
        facts["imports"].extend({"module": name.name, **place(node)} for name in node.names)
    elif isinstance(node, ast.Call) and called(node):
        keywords = {word.arg: constant(word.value) for word in node.keywords if word.arg}
        arguments = [constant(argument) for argument in node.args]
        facts["calls"].append({"name": called(node), "arguments": arguments, "keywords": keywords, **place(node)})
json.dump(facts, sys.stdout)
