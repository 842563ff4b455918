"""Evaluates one configuration file and says what it holds, as JSON on standard output.

Arguments: the location (PATH, file:PATH or python:MODULE), then the names of all settings. What the file itself prints
goes to standard error, and so does the traceback of its mistakes, with the file and the line.
"""
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import traceback

answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
location, names = sys.argv[1], sys.argv[2:]
# Where this very program lies is nothing a configuration should find modules in; the current folder is.
sys.path[:] = [os.getcwd()] + [path for path in sys.path if path not in ("", os.getcwd())]
before = dict(os.environ)


def load():
    if location.startswith("python:"):
        return importlib.import_module(location[len("python:"):])
    path = location[len("file:"):] if location.startswith("file:") else location
    loader = importlib.machinery.SourceFileLoader("__config__", path)
    spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    spec.loader.exec_module(module)
    return module


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return {"$tuple": [plain(item) for item in value]}
    if isinstance(value, (list, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, type):
        return {"$callable": value.__module__ + "." + value.__qualname__}
    if callable(value):
        return {"$callable": getattr(value, "__qualname__", type(value).__qualname__)}
    return {"$opaque": repr(value)}


def is_own(name, value):
    """Whether the file made this itself: no module, nothing imported, nothing that is meant to be private."""
    return not (name.startswith("_") or isinstance(value, type(os)) or getattr(value, "__module__", "__config__") != "__config__")


try:
    module = load()
    found = vars(module)
    settings = {name: plain(found[name]) for name in found if name in names}
    others = [name for name, value in found.items() if name not in names and is_own(name, value)]
except BaseException as error:
    # The frames of this program and of the import system are not the reader's.
    place = error.__traceback__
    path = location[len("file:"):] if location.startswith("file:") else location
    step = place
    while step is not None and step.tb_frame.f_code.co_filename != path:
        step = step.tb_next
    traceback.print_exception(type(error), error, step)
    sys.stderr.flush()
    os._exit(1)
environment = {name: value for name, value in os.environ.items() if before.get(name) != value}
removed = [name for name in before if name not in os.environ]
json.dump({"settings": settings, "others": others, "environment": environment, "removed": removed}, answer)
answer.flush()
sys.stderr.flush()
# Threads that the file may have started are not waited for.
os._exit(0)
