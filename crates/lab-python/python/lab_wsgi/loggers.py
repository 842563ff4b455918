"""gunicorn's loggers in a worker: those that applications find by name, and the one that the configuration sets up."""

import importlib
import logging
import os
import sys

from .configuration import evaluate

_ERROR_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
_ERROR_FORMATTER = logging.Formatter(_ERROR_FORMAT, "[%Y-%m-%d %H:%M:%S %z]")
_ACCESS_FORMATTER = logging.Formatter("%(message)s")

DEFAULT_CLASSES = ("simple", "gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd")


def set_up(settings):
    """Sets up gunicorn's loggers. Returns the object that hooks know as ``server.log`` and ``worker.log``."""
    given = settings.get("logging")
    return DefaultLog(settings) if given is None else _configured(given, settings.get("raw_env", []))


def error_level():
    """The lowest level that the error log takes."""
    return logging.getLogger("gunicorn.error").getEffectiveLevel()


class DefaultLog:
    """gunicorn's logger object where nothing about it is configured."""

    def __init__(self, settings):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        level = settings.get("loglevel", "info")
        self.error_log.setLevel({"warn": "WARNING"}.get(level, level.upper()))
        _drop_handlers(self.error_log)
        _drop_handlers(self.access_log)
        _add_handler(self.error_log, logging.StreamHandler(sys.stderr), _ERROR_FORMATTER)
        self.access_log.setLevel(logging.INFO)
        self.error_log.propagate = self.access_log.propagate = False
        for name in ("critical", "error", "warning", "info", "debug", "exception", "log"):
            setattr(self, name, getattr(self.error_log, name))

    def open_access_log(self, settings):
        """Adds the access log, for applications that write to it beside the arbiter. Only a worker knows it."""
        file = (settings.get("access_log") or {}).get("file")
        if file is None:
            return
        _add_handler(self.access_log, _access_handler(file), _ACCESS_FORMATTER)


def _access_handler(file):
    if file == "-":
        return logging.StreamHandler(sys.stdout)
    # Imported here, as most workers do without it.
    from logging.handlers import WatchedFileHandler

    return WatchedFileHandler(os.path.abspath(file), delay=True)


def _drop_handlers(logger):
    """Removes the handlers of an earlier set-up: a fork server repeats it when the arbiter reloads."""
    logger.handlers = [handler for handler in logger.handlers if not getattr(handler, "_gunicorn", False)]


def _add_handler(logger, handler, formatter):
    handler.setFormatter(formatter)
    handler._gunicorn = True
    logger.addHandler(handler)


class Settings:
    """All settings by name, as logger classes expect them."""

    def __init__(self, settings):
        self.settings = settings

    def __getattr__(self, name):
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(f"there is no setting {name!r}") from None


def _configured(given, raw_env):
    settings = {**given["settings"], "raw_env": raw_env}
    file = given.get("file")
    variables = evaluate(file["location"], file["folder"]) if file else {}
    # Only a file can set it, and its formatters, filters and handlers may be objects.
    settings["logconfig_dict"] = variables.get("logconfig_dict") or {}
    return _logger_class(settings["logger_class"])(Settings(settings))


def _logger_class(name):
    if name in DEFAULT_CLASSES:
        # The arbiter sends the metrics.
        from .gunicorn_modules.glogging import Logger

        return Logger
    try:
        if name.startswith("egg:") or "." not in name:
            return _entry_point(name)
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, LookupError) as error:
        raise RuntimeError(f"logger_class {name!r} cannot be loaded: {error}") from error


def _entry_point(name):
    """A class that a package has registered: ``egg:PACKAGE#NAME``, or a name that gunicorn itself registers."""
    # Imported here: most workers do without it, and its import takes as long as all others together.
    import importlib.metadata

    package, _, entry = name.removeprefix("egg:").rpartition("#") if name.startswith("egg:") else ("gunicorn", "", name)
    for found in importlib.metadata.distribution(package).entry_points:
        if found.group == "gunicorn.loggers" and found.name == entry:
            return found.load()
    raise LookupError(f"there is no such entry point in {package!r}")
