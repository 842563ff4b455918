"""Evaluates one configuration file and writes its settings, as JSON, to standard output.

Arguments: the location (PATH, file:PATH or python:MODULE), then the names of all settings. Output of the file itself
goes to standard error, and so does the traceback of an exception, starting at the file's own frame.
"""
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


def is_own(name, value):
    """Whether the file defined this public name itself, rather than importing it."""
    if name.startswith("_") or isinstance(value, type(os)):
        return False
    return getattr(value, "__module__", "__config__") == "__config__"


try:
    names = vars(load())
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
json.dump({"settings": settings, "others": others, "environment": environment, "removed": removed}, output)
output.flush()
sys.stderr.flush()
# A normal exit would wait for threads that the file has started.
os._exit(0)
