"""Writes the access log from the worker, through gunicorn's logger: where the configuration has set that up, and where the
application has changed ``gunicorn.access``. Otherwise the arbiter writes it, and no Python runs for it."""

import logging
from datetime import timedelta
from types import SimpleNamespace

from .hooks import request_namespace
from .loggers import DefaultLog


_untouched = None
_was_touched = False


def watch(log, settings):
    """Remembers the logger as it is before anything of the application runs. Called again in a worker, whose fork server may
    have run hooks meanwhile."""
    global _untouched, _was_touched
    _was_touched = _untouched is not None and _untouched != _state()
    if isinstance(log, DefaultLog):
        log.open_access_log(settings)
    _untouched = _state()


def writer(log, settings):
    """What writes the access log in this worker, or None."""
    configured = settings.get("logging")
    if configured and configured["writes_access_log"]:
        return AccessWriter(log)
    line = settings.get("access_log") or {}
    if not line.get("format") or not (_was_touched or _untouched != _state()):
        return None
    return AccessWriter(log if configured else _access_logger(line["format"]))


def _state():
    """Everything about the logger that an application or a hook may change to choose or redirect records."""
    logger = logging.getLogger("gunicorn.access")
    handlers = [
        (getattr(handler, "_gunicorn", False) or id(handler), list(handler.filters), id(handler.formatter))
        for handler in logger.handlers
    ]
    return handlers, list(logger.filters), logger.level, logger.propagate, logger.disabled


class AccessWriter:
    """Calls a logger's ``access``, as gunicorn does after each request."""

    def __init__(self, logger):
        self.logger = logger

    def __call__(self, environ, fields, status, headers, sent, microseconds):
        request = request_namespace(environ)
        request.headers = fields
        code = int(status.split(" ", 1)[0])
        response = SimpleNamespace(status=status, status_code=code, headers=headers, sent=sent, response_length=sent)
        try:
            self.logger.access(response, request, environ, timedelta(microseconds=microseconds))
        except Exception:
            self.logger.exception("cannot write to the access log")


def _access_logger(access_log_format):
    from .gunicorn_modules.glogging import Logger

    class AccessLogger(Logger):
        """Writes to the loggers as they are."""

        access_log_enabled = True

        def __init__(self):
            self.error_log = logging.getLogger("gunicorn.error")
            self.access_log = logging.getLogger("gunicorn.access")
            self.cfg = SimpleNamespace(access_log_format=access_log_format)

    return AccessLogger()
