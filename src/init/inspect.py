"""Prints the applications, factories, routes and settings in Python files as JSON. The files are parsed, never run.

The arguments are paths. A file that is not valid Python is left out, with its error.
"""
import ast
import json
import sys

WSGI = {"Flask", "Bottle", "APIFlask", "get_wsgi_application", "make_wsgi_app", "App", "API"}
ASGI = {"FastAPI", "Starlette", "Quart", "Litestar", "Sanic", "get_asgi_application"}
# Applications that pass requests on to others: Django Channels, python-socketio.
ASGI |= {"ProtocolTypeRouter", "ASGIApp"}
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


def text_keyword(call, name, default):
    """The text of a keyword argument, None if only a run can tell."""
    value = next((literal(word.value) for word in call.keywords if word.arg == name), default)
    return value if isinstance(value, str) else None


def dotted(node):
    """The text of a dotted name, or None."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return inner and f"{inner}.{node.attr}"
    return getattr(node, "id", None)


class Names:
    """What the names of a file stand for, as dotted names of the project."""

    def __init__(self, tree, path):
        parts = path[: -len(".py")].split("/")
        package = parts[:-1]
        self.module = package if parts[-1] == "__init__" else parts
        self.imported = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                base = base + (node.module.split(".") if node.module else [])
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = ".".join(base + [alias.name])
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname:
                        self.imported[alias.asname] = alias.name

    def resolve(self, node):
        name = dotted(node)
        if name is None:
            return None
        first, *rest = name.split(".")
        known = self.imported.get(first)
        return ".".join(([known] if known else self.module + [first]) + rest)


def handler_methods(function, names):
    """The paths that Litestar's decorators give a function, each with its methods."""
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Name):
            continue
        library, _, attribute = names.imported.get(decorator.func.id, "").rpartition(".")
        if library.split(".")[0] == "litestar" and attribute in METHODS:
            path = literal(decorator.args[0]) if decorator.args else keyword(decorator, "path")
            paths = path if isinstance(path, (list, tuple)) else [path or "/"]
            yield from ((own, [attribute.upper()]) for own in paths if isinstance(own, str))


def add_litestar(tree, names, found):
    """Adds the routes of Litestar's handlers, with the controllers and routers that have them."""
    owners = [(function, "", [function]) for function in functions(tree.body)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            values = {name_of(own.targets[0]): own.value for own in node.body if isinstance(own, ast.Assign)}
            path = literal(values["path"]) if "path" in values else ""
            owners.append((node, path.rstrip("/") if isinstance(path, str) else None, functions(node.body)))
        elif isinstance(node, ast.Call) and name_of(node.func) == "Router":
            handlers = next((word.value for word in node.keywords if word.arg == "route_handlers"), None)
            path = text_keyword(node, "path", "")
            for handler in getattr(handlers, "elts", []):
                mount = {"target": names.resolve(handler), "owner": "", "replaces": False}
                found["mounts"] += [{**mount, "prefix": path and path.rstrip("/")}] if mount["target"] else []
    for node, prefix, members in owners:
        routes = [route for function in members for route in handler_methods(function, names)]
        owner = ".".join(names.module + [node.name])
        found["routers"] += [{"name": owner, "prefix": prefix}] if routes else []
        for path, methods in routes:
            path = "/" + path.strip("/") if path.strip("/") or not prefix else ""
            found["routes"].append({"path": path, "methods": methods, "owner": owner})


def starlette_routes(node, prefix=""):
    """The paths in Starlette's list of routes, each with its methods."""
    if isinstance(node, ast.Call) and name_of(node.func) in ("Route", "Mount"):
        path = literal(node.args[0]) if node.args else keyword(node, "path")
        if not isinstance(path, str):
            return
        prefix += path.rstrip("/") if name_of(node.func) == "Mount" else path
        if name_of(node.func) == "Route":
            yield prefix, keyword(node, "methods") or ["GET"]
            return
    for child in ast.iter_child_nodes(node):
        yield from starlette_routes(child, prefix)


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


# Types of pydantic's settings whose values are plain texts.
TEXT_TYPES = {"str", "int", "float", "bool", "SecretStr", "EmailStr", "HttpUrl", "AnyUrl", "AnyHttpUrl", "PostgresDsn", "MySQLDsn", "RedisDsn", "AmqpDsn"}
# Libraries that read variables: python-decouple, django-environ, environs.
READERS = {"decouple": {"config"}, "environ": {"env"}, "environs": {"env"}}


def is_environ(node):
    return dotted(node) in ("os.environ", "environ")


def guarded(tree):
    """The names of variables that the file sets itself, or looks for before it reads them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(is_environ(other) for other in node.comparators):
            names.add(literal(node.left))
        elif isinstance(node, ast.Subscript) and is_environ(node.value) and isinstance(node.ctx, ast.Store):
            names.add(literal(node.slice))
        elif isinstance(node, ast.Call) and name_of(node.func) in ("setdefault", "Env"):
            names.update(map(literal, node.args[:1]))
            names.update(word.arg for word in node.keywords)
        elif isinstance(node, ast.Try):
            # What fails there has something in its place.
            for statement in node.body:
                names.update(literal(inner.slice) for inner in ast.walk(statement) if isinstance(inner, ast.Subscript))
    return names


def settings_fields(node):
    """The variables that a class of pydantic's settings needs, each with its line."""
    prefix = ""
    for inner in ast.walk(node):
        if isinstance(inner, ast.keyword) and inner.arg == "env_prefix":
            prefix = literal(inner.value) or ""
        elif isinstance(inner, ast.Assign) and name_of(inner.targets[0]) == "env_prefix":
            prefix = literal(inner.value) or ""
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or name_of(field.annotation) not in TEXT_TYPES:
            continue
        name, value = (prefix + name_of(field.target)).upper(), field.value
        if isinstance(value, ast.Call) and name_of(value.func) == "Field":
            names = [keyword(value, word) for word in ("validation_alias", "alias", "env")]
            name = next((own for own in names if isinstance(own, str)), name)
            has_default = any(word.arg in ("default", "default_factory") for word in value.keywords)
            has_default |= bool(value.args) and literal(value.args[0]) is not ...
            value = value if has_default else None
        if value is None:
            yield name, field.lineno


def required_variables(tree):
    """The variables of the environment without which the file fails, each with its line."""
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    readers = {name for module in modules & READERS.keys() for name in READERS[module]}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_environ(node.value) and isinstance(node.ctx, ast.Load):
            found.setdefault(literal(node.slice), node.lineno)
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not any(word.arg == "default" for word in node.keywords):
            reader = node.func.value if isinstance(node.func, ast.Attribute) and name_of(node.func.value) == "env" else node.func
            if getattr(reader, "id", None) in readers:
                found.setdefault(literal(node.args[0]), node.lineno)
        elif isinstance(node, ast.ClassDef) and any(name_of(base) == "BaseSettings" for base in node.bases):
            for name, line in settings_fields(node):
                found.setdefault(name, line)
    known = guarded(tree)
    return [{"name": name, "line": line} for name, line in found.items() if isinstance(name, str) and name not in known]


def docs_page(call):
    """The page of FastAPI's own documentation, or None."""
    off = [word.arg for word in call.keywords if isinstance(word.value, ast.Constant) and word.value.value is None]
    return None if "openapi_url" in off else text_keyword(call, "docs_url", "/docs")


def inspect(tree, path):
    found = {"apps": [], "factories": [], "routes": [], "routers": [], "mounts": [], "settings": {}, "urls": []}
    found.update({"defaults": {}, "docs": None, "runs_django": False, "static_root": None, "names_static_files": False})
    found["required"] = required_variables(tree)
    names = Names(tree, path)
    libraries = {name.split(".")[0] for name in names.imported.values()}
    if "litestar" in libraries:
        add_litestar(tree, names, found)
    if "starlette" in libraries:
        for route, methods in starlette_routes(tree):
            found["routes"].append({"path": route, "methods": list(methods), "owner": ""})
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
                    prefix = text_keyword(node.value, "url_prefix" if called == "Blueprint" else "prefix", "")
                    found["routers"].append({"name": names.resolve(target), "prefix": prefix})
            if kind:
                found["apps"].append({"name": target.id, "line": node.lineno, "interface": kind})
            if target.id == "STATIC_ROOT":
                found["static_root"] = ast.unparse(node.value)
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
                rule = literal(decorator.args[0]) if decorator.args else keyword(decorator, "rule")
                attribute = decorator.func.attr
                owner = names.resolve(decorator.func.value)
                if not isinstance(rule, str) or owner is None or attribute not in METHODS | {"route"}:
                    continue
                methods = keyword(decorator, "methods") or (["GET"] if attribute == "route" else [attribute.upper()])
                found["routes"].append({"path": rule, "methods": list(methods), "owner": owner})
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found["runs_django"] |= any(module.split(".")[0] == "django" for module in modules)
        elif isinstance(node, ast.Constant) and "ManifestStaticFilesStorage" in str(node.value):
            found["names_static_files"] = True
        elif isinstance(node, ast.Call) and name_of(node.func) == "FastAPI":
            found["docs"] = docs_page(node)
        elif isinstance(node, ast.Call) and name_of(node.func) == "setdefault" and len(node.args) == 2:
            name, value = map(literal, node.args)
            if isinstance(name, str) and isinstance(value, str):
                found["defaults"][name] = value
        elif isinstance(node, ast.Call) and name_of(node.func) in ("include_router", "register_blueprint") and node.args:
            target, owner = names.resolve(node.args[0]), names.resolve(getattr(node.func, "value", None))
            # A blueprint's prefix is replaced, and a router's is appended.
            is_blueprint = name_of(node.func) == "register_blueprint"
            prefix = text_keyword(node, "url_prefix" if is_blueprint else "prefix", "")
            if target and owner:
                mount = {"target": target, "owner": owner, "prefix": prefix, "replaces": is_blueprint}
                found["mounts"].append(mount)
        elif isinstance(node, ast.Call) and name_of(node.func) in ("path", "re_path", "url") and node.args:
            route = literal(node.args[0])
            if isinstance(route, str):
                view = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
                if name_of(node.func) != "path":
                    route = route.lstrip("^").rstrip("$")
                found["urls"].append({"path": route, "view": view})
    return found


modules = {}
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            modules[path] = inspect(ast.parse(file.read(), path), path)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        modules[path] = {"error": f"{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}"}
json.dump(modules, sys.stdout)
