"""Prints the applications, factories, routes and settings in Python files as JSON. The files are parsed, never run.

The arguments are paths. A file that is not valid Python is left out, with its error.
"""
import ast
import json
import sys

WSGI = {"Flask", "Bottle", "APIFlask", "get_wsgi_application", "make_wsgi_app", "App", "API"}
ASGI = {"FastAPI", "Starlette", "Quart", "Litestar", "Sanic", "get_asgi_application"}
METHODS = {"get", "post", "put", "patch", "delete"}


def name_of(node):
    """The last part of a dotted name, or None."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


def literal(node):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None


def interface(node):
    """What the value of an expression serves: wsgi, asgi, or None."""
    if not isinstance(node, ast.Call):
        return None
    name = name_of(node.func)
    if name in WSGI:
        return "wsgi"
    if name in ASGI:
        return "asgi"
    # ProxyFix(app), WhiteNoise(app): a wrapper of an application.
    inner = [interface(argument) for argument in node.args]
    return next((found for found in inner if found), None)


def keyword(call, name):
    return next((literal(word.value) for word in call.keywords if word.arg == name), None)


def required(function):
    """How many arguments a call must give."""
    arguments = function.args
    without = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return without + sum(default is None for default in arguments.kw_defaults)


def functions(body):
    """The functions of a module, also those of its conditions."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, ast.If):
            yield from functions(node.body + node.orelse)


def inspect(tree):
    found = {"apps": [], "factories": [], "routes": [], "settings": {}, "urls": [], "mounts": False}
    prefixes = {}
    made_by = {}
    for function in functions(tree.body):
        kinds = [interface(node) for node in ast.walk(function)]
        kind = next((kind for kind in kinds if kind), None)
        if kind and any(isinstance(node, ast.Return) and node.value for node in ast.walk(function)):
            factory = {"name": function.name, "line": function.lineno, "interface": kind, "required": required(function)}
            found["factories"].append(factory)
            made_by[function.name] = kind
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            kind = interface(node.value)
            if not kind and isinstance(node.value, ast.Call):
                called = name_of(node.value.func)
                kind = made_by.get(called) or ("wsgi" if called in ("create_app", "make_app") else None)
                if called in ("Blueprint", "APIRouter"):
                    prefixes[target.id] = keyword(node.value, "url_prefix") or keyword(node.value, "prefix") or ""
            if kind:
                found["apps"].append({"name": target.id, "line": node.lineno, "interface": kind})
            value = literal(node.value)
            if isinstance(value, (str, int)):
                found["settings"][target.id] = {"value": str(value), "line": node.lineno}
            elif isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
                found["settings"][target.id] = {"value": ",".join(value), "line": node.lineno}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
                    continue
                path = literal(decorator.args[0]) if decorator.args else keyword(decorator, "rule")
                attribute = decorator.func.attr
                if not isinstance(path, str) or attribute not in METHODS | {"route"}:
                    continue
                methods = keyword(decorator, "methods") or (["GET"] if attribute == "route" else [attribute.upper()])
                owner = name_of(decorator.func.value)
                path = prefixes.get(owner, "") + path
                route = {"path": path, "methods": list(methods), "line": node.lineno, "is_mounted": owner in prefixes}
                found["routes"].append(route)
        elif isinstance(node, ast.Call) and name_of(node.func) in ("include_router", "register_blueprint"):
            # The prefix of another module's routes.
            if keyword(node, "prefix") or keyword(node, "url_prefix"):
                found["mounts"] = True
        elif isinstance(node, ast.Call) and name_of(node.func) in ("path", "re_path") and node.args:
            path = literal(node.args[0])
            if isinstance(path, str):
                view = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
                found["urls"].append({"path": path, "view": view, "line": node.lineno})
    return found


modules = {}
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            modules[path] = inspect(ast.parse(file.read(), path))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        modules[path] = {"error": f"{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}"}
json.dump(modules, sys.stdout)
