"""``gunicorn.glogging``: the logger class that sets up ``logconfig`` and syslog, and that configurations subclass.

Names, attributes and formats are gunicorn's. One thing differs: the handler of the error log writes to standard error,
which the arbiter copies to ``errorlog``, so that one process reopens that file.
"""

import base64
import binascii
import json
import logging
import logging.config
import logging.handlers
import os
import re
import socket
import sys
import threading
import time

SYSLOG_FACILITIES = {
    "auth": 4,
    "authpriv": 10,
    "cron": 9,
    "daemon": 3,
    "ftp": 11,
    "kern": 0,
    "lpr": 6,
    "mail": 2,
    "news": 7,
    "security": 4,
    "syslog": 5,
    "user": 1,
    "uucp": 8,
    **{f"local{number}": 16 + number for number in range(8)},
}


def _logger(name, handler):
    return {"level": "INFO", "handlers": [handler], "propagate": True, "qualname": name}


# A configuration replaces the keys that it has.
CONFIG_DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": _logger("gunicorn.error", "error_console"),
        "gunicorn.access": _logger("gunicorn.access", "console"),
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "class": "logging.Formatter",
        }
    },
}

# Clients control many atoms, and must not be able to forge further lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def loggers():
    """All loggers by now."""
    return [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]


class SafeAtoms(dict):
    """Atoms of the access log's format: an unknown one is ``-``, and fields are found in any case."""

    def __init__(self, atoms):
        super().__init__({name: _escaped(value) for name, value in atoms.items()})

    def __getitem__(self, name):
        return self.get(name.lower() if name.startswith("{") else name, "-")


def _escaped(value):
    return _CONTROL.sub(" ", value).replace('"', '\\"') if isinstance(value, str) else value


def parse_syslog_address(address):
    """The socket type (None for either) and the address in ``unix://PATH#dgram``, ``udp://HOST:PORT`` or ``tcp://…``."""
    scheme, found, rest = address.partition("://")
    if not found or scheme not in ("unix", "udp", "tcp"):
        raise RuntimeError(f"invalid syslog address {address!r}")
    if scheme == "unix":
        path, _, kind = rest.partition("#")
        return socket.SOCK_DGRAM if kind == "dgram" else None, path
    host, bracket, port = rest.rpartition("]")
    if bracket:
        host, port = host.lstrip("["), port.lstrip(":")
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise RuntimeError(f"{port!r} is not a valid port number.")
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    return kind, (host.lower() or "localhost", int(port or 514))


class Logger:
    """gunicorn's logger: the loggers ``gunicorn.error`` and ``gunicorn.access``, and the lines of the access log."""

    LOG_LEVELS = {
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
    }
    loglevel = logging.INFO

    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"

    atoms_wrapper_class = SafeAtoms

    def __init__(self, cfg):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = self.access_log.propagate = False
        self.error_handlers = []
        self.access_handlers = []
        self.logfile = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg):
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        for log in (self.error_log, self.access_log):
            for handler in [handler for handler in log.handlers if getattr(handler, "_gunicorn", False)]:
                log.removeHandler(handler)
        self._set_handler(self.error_log, "-", logging.Formatter(self.error_fmt, self.datefmt))
        if cfg.accesslog is not None:
            self._set_handler(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt), sys.stdout)
        if cfg.syslog:
            self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
            if not cfg.disable_redirect_access_to_syslog:
                self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")
        self._configure(cfg)

    def _configure(self, cfg):
        """Applies the first of ``logconfig_dict``, ``logconfig_json`` and ``logconfig``."""
        try:
            if cfg.logconfig_dict:
                logging.config.dictConfig({**CONFIG_DEFAULTS, **cfg.logconfig_dict})
            elif cfg.logconfig_json:
                with open(cfg.logconfig_json, encoding="utf-8") as file:
                    logging.config.dictConfig({**CONFIG_DEFAULTS, **json.load(file)})
            elif cfg.logconfig:
                if not os.path.exists(cfg.logconfig):
                    raise RuntimeError(f"log config {cfg.logconfig!r} not found")
                defaults = {"__file__": cfg.logconfig, "here": os.path.dirname(cfg.logconfig)}
                logging.config.fileConfig(cfg.logconfig, defaults=defaults, disable_existing_loggers=False)
        except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            raise RuntimeError(f"{error}{cause}") from error

    def critical(self, msg, *args, **kwargs):
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs):
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs):
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs):
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs):
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        if isinstance(lvl, str):
            lvl = self.LOG_LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)

    def atoms(self, resp, req, environ, request_time):
        """The atoms of the access log's format for a request."""
        status = resp.status.split(None, 1)[0] if isinstance(resp.status, str) else resp.status
        sent = getattr(resp, "sent", None)
        seconds, micros = request_time.seconds, request_time.microseconds
        atoms = {
            "h": environ.get("REMOTE_ADDR", "-"),
            "l": "-",
            "u": self._get_user(environ) or "-",
            "t": self.now(),
            "r": "{REQUEST_METHOD} {RAW_URI} {SERVER_PROTOCOL}".format_map(environ),
            "s": status,
            "m": environ.get("REQUEST_METHOD"),
            "U": environ.get("PATH_INFO"),
            "q": environ.get("QUERY_STRING"),
            "H": environ.get("SERVER_PROTOCOL"),
            "b": "-" if sent is None else str(sent),
            "B": sent,
            "f": environ.get("HTTP_REFERER", "-"),
            "a": environ.get("HTTP_USER_AGENT", "-"),
            "T": seconds,
            "D": seconds * 1_000_000 + micros,
            "M": seconds * 1000 + micros // 1000,
            "L": f"{seconds}.{micros:06}",
            "p": f"<{os.getpid()}>",
        }
        for kind, pairs in (("i", getattr(req, "headers", req)), ("o", resp.headers), ("e", environ)):
            pairs = pairs.items() if hasattr(pairs, "items") else pairs
            atoms.update((f"{{{name.lower()}}}{kind}", value) for name, value in pairs)
        return atoms

    @property
    def access_log_enabled(self):
        cfg = self.cfg
        has_config = cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json
        return bool(has_config or (cfg.syslog and not cfg.disable_redirect_access_to_syslog))

    def access(self, resp, req, environ, request_time):
        """Writes the line of a request to the access log."""
        if not self.access_log_enabled:
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        try:
            self.access_log.info(self.cfg.access_log_format, atoms)
        except Exception:
            self.exception("cannot write to the access log")

    def now(self):
        """The time in Apache's Common Log Format."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self):
        """Opens the files of all loggers again, which may have been moved."""
        for log in [*loggers(), logging.root]:
            for handler in log.handlers:
                if isinstance(handler, logging.FileHandler):
                    with handler.lock:
                        if handler.stream:
                            handler.close()
                            handler.stream = handler._open()

    def close_on_exec(self):
        """Python closes the files of handlers in programs that it starts."""

    def _get_gunicorn_handler(self, log):
        return next((handler for handler in log.handlers if getattr(handler, "_gunicorn", False)), None)

    def _set_handler(self, log, output, fmt, stream=None):
        previous = self._get_gunicorn_handler(log)
        if previous:
            log.removeHandler(previous)
        if output is None:
            return
        if output == "-":
            handler = logging.StreamHandler(stream)
        else:
            # The arbiter has created the file, and reopens nothing for workers.
            handler = logging.handlers.WatchedFileHandler(output, delay=True)
        handler.setFormatter(fmt)
        handler._gunicorn = True
        log.addHandler(handler)

    def _set_syslog_handler(self, log, cfg, fmt, name):
        prefix = cfg.syslog_prefix or cfg.proc_name.replace(":", ".")
        facility = SYSLOG_FACILITIES.get(cfg.syslog_facility.lower())
        if facility is None:
            raise RuntimeError(f"unknown facility name {cfg.syslog_facility!r}")
        kind, address = parse_syslog_address(cfg.syslog_addr)
        handler = logging.handlers.SysLogHandler(address=address, facility=facility, socktype=kind)
        handler.setFormatter(logging.Formatter(f"gunicorn.{prefix}.{name}: {fmt}"))
        handler._gunicorn = True
        log.addHandler(handler)

    def _get_user(self, environ):
        scheme, _, credentials = (environ.get("HTTP_AUTHORIZATION") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(credentials.strip()).split(b":", 1)[0].decode()
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            self.debug("cannot decode a user's name: %s", error)
            return None
