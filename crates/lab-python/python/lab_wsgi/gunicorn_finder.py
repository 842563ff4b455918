"""Provides ``gunicorn``, as far as applications and configurations use it as a module, where gunicorn is not installed.

This file uses nothing else of lab_wsgi: the evaluation of a configuration file loads it on its own.
"""

import importlib.util
import os
import sys

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gunicorn_modules")


class GunicornFinder:
    """The last of the finders, so an installed gunicorn comes first."""

    def find_spec(self, name, path=None, target=None):
        if name == "gunicorn":
            file = os.path.join(_FOLDER, "__init__.py")
            return importlib.util.spec_from_file_location(name, file, submodule_search_locations=[_FOLDER])
        if name.startswith("gunicorn."):
            raise ModuleNotFoundError(f"lab serve provides no {name}, and gunicorn is not installed", name=name)
        return None


def install():
    """Adds the finder, once."""
    if not any(type(finder).__name__ == "GunicornFinder" for finder in sys.meta_path):
        sys.meta_path.append(GunicornFinder())
