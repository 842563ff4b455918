"""Evaluates one configuration file and writes its settings, as JSON, to standard output.

Arguments: the location (PATH, file:PATH or python:MODULE), then the names of all settings. Output of the file itself
goes to standard error, and so does the traceback of an exception, starting at the file's own frame.
"""
import ast
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import traceback

# Keep a private copy of standard output, and point descriptor 1 at standard error: the file may print anything.
output = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
location, setting_names = sys.argv[1], sys.argv[2:]
# A configuration imports modules from the current folder, as under gunicorn, and not from this program's place.
sys.path[:] = [os.getcwd()] + [path for path in sys.path if path not in ("", os.getcwd())]
environment_before = dict(os.environ)


def config_path():
    return location[len("file:"):] if location.startswith("file:") else location


def provide_gunicorn():
    """Where gunicorn is not installed, lab's gateway provides the parts of it that configurations import."""
    gateway = importlib.util.find_spec("lab_wsgi")
    for folder in gateway.submodule_search_locations if gateway else []:
        file = os.path.join(folder, "gunicorn_finder.py")
        if os.path.exists(file):
            spec = importlib.util.spec_from_file_location("gunicorn_finder", file)
            finder = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(finder)
            finder.install()


def load():
    if location.startswith("python:"):
        return importlib.import_module(location[len("python:"):])
    path = config_path()
    loader = importlib.machinery.SourceFileLoader("__config__", path)
    spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    spec.loader.exec_module(module)
    return module


def to_json(value):
    """Converts a value to JSON types; Value::from_json in value.rs is the counterpart."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return {"$tuple": [to_json(item) for item in value]}
    if isinstance(value, (list, set, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, type):
        return {"$callable": value.__module__ + "." + value.__qualname__}
    if callable(value):
        return {"$callable": getattr(value, "__qualname__", type(value).__qualname__)}
    return {"$opaque": repr(value)}


def bound_lines(module):
    """The line on which each variable of the module is bound last."""
    lines = {}
    try:
        with open(module.__file__, "rb") as file:
            pending = list(ast.parse(file.read()).body)
    except (AttributeError, OSError, SyntaxError, TypeError, ValueError):
        return lines
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound, children = [node.name], []
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound, children = [(name.asname or name.name).partition(".")[0] for name in node.names], []
        elif isinstance(node, ast.expr):
            names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            bound, children = [name.id for name in names if isinstance(name.ctx, ast.Store)], []
        else:
            bound, children = [], list(ast.iter_child_nodes(node))
        lines.update((name, max(node.lineno, lines.get(name, 0))) for name in bound)
        pending.extend(children)
    return lines


def changes_loggers():
    """Whether the file has set up gunicorn's loggers itself. Workers then have to do it as well."""
    logging = sys.modules.get("logging")
    if logging is None:
        return False
    loggers = [logging.root.manager.loggerDict.get(name) for name in ("gunicorn.error", "gunicorn.access")]
    loggers = [logger for logger in loggers if isinstance(logger, logging.Logger)]
    return any(logger.handlers or logger.filters or logger.level or logger.disabled for logger in loggers)


def is_own(name, value):
    """Whether the file defined this public name itself, rather than importing it."""
    if name.startswith("_") or isinstance(value, type(os)):
        return False
    return getattr(value, "__module__", "__config__") == "__config__"


try:
    provide_gunicorn()
    module = load()
    names = vars(module)
    settings = {name: to_json(names[name]) for name in names if name in setting_names}
    others = [name for name, value in names.items() if name not in setting_names and is_own(name, value)]
except BaseException as error:
    # Skip the frames of this program and of the import system.
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != config_path():
        frame = frame.tb_next
    traceback.print_exception(type(error), error, frame)
    sys.stderr.flush()
    os._exit(1)
environment = {name: value for name, value in os.environ.items() if environment_before.get(name) != value}
removed = [name for name in environment_before if name not in os.environ]
result = {"settings": settings, "others": others, "environment": environment, "removed": removed}
bound = bound_lines(module)
result["lines"] = {name: bound[name] for name in settings if name in bound}
result["changes_loggers"] = changes_loggers()
json.dump(result, output)
output.flush()
sys.stderr.flush()
# A normal exit would wait for threads that the file has started.
os._exit(0)
