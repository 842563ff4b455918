"""Evaluates the configuration file in a worker or in the fork server: functions, classes and dictionaries of objects cannot
be sent there."""

import functools
import importlib
import importlib.machinery
import importlib.util
import os
import sys


def forget():
    """Lets the next :func:`evaluate` evaluate the file again, as at a reload."""
    evaluate.cache_clear()


@functools.cache
def evaluate(location, folder):
    """The variables of a configuration file, evaluated once in the folder where the arbiter evaluates it."""
    current = os.getcwd()
    os.chdir(folder)
    try:
        if location.startswith("python:"):
            sys.modules.pop(location[len("python:") :], None)
            return vars(importlib.import_module(location[len("python:") :]))
        loader = importlib.machinery.SourceFileLoader("__config__", location)
        spec = importlib.util.spec_from_file_location("__config__", location, loader=loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules["__config__"] = module
        loader.exec_module(module)
        return vars(module)
    finally:
        os.chdir(current)
