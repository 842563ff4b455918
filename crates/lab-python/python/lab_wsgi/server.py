"""The objects that server hooks receive, with the attributes of gunicorn's by gunicorn's names."""

import os
from types import SimpleNamespace

from .application import load


class Config:
    """The settings as attributes: as the arbiter resolved them from all sources, then what only the configuration file
    has (functions and names of its own), then what a worker is given."""

    def __init__(self, variables, settings):
        resolved = (settings.get("hooks") or {}).get("values", {})
        self._sources = resolved, variables, settings

    def __getattr__(self, name):
        for source in self.__dict__["_sources"]:
            if name in source:
                return source[name]
        raise AttributeError(f"lab serve does not pass the setting {name!r} to hooks")

    @property
    def address(self):
        """The addresses to listen on: (HOST, PORT), a path, or a descriptor."""
        return [_address(bind) for bind in self._value("bind", [])]

    @property
    def env(self):
        return dict(pair.partition("=")[::2] for pair in self._value("raw_env", []))

    @property
    def uid(self):
        return self._value("user", os.geteuid())

    @property
    def gid(self):
        return self._value("group", os.getegid())

    @property
    def is_ssl(self):
        return bool(self._value("certfile", None) or self._value("keyfile", None))

    @property
    def proc_name(self):
        return self._value("proc_name", None) or self._value("default_proc_name", None)

    @property
    def worker_class_str(self):
        name = str(self._value("worker_class", "sync"))
        return "gthread" if name == "sync" and self._value("threads", 1) > 1 else name

    def _value(self, name, otherwise):
        for source in self._sources:
            if name in source:
                return source[name]
        return otherwise


class Application:
    """gunicorn's application object (``server.app``, ``worker.app``), which loads the WSGI application once."""

    def __init__(self, settings, cfg):
        self.cfg = cfg
        self.callable = None
        self._settings = settings

    def wsgi(self):
        if self.callable is None:
            self.callable = load(self._settings["app"], self._settings.get("paste_global_conf", []))
        return self.callable


class Listener:
    """A listening socket as its address: the socket itself is the arbiter's."""

    def __init__(self, url):
        self._url = url
        self.cfg_addr = _address(url.partition("://")[2] or url)

    def __str__(self):
        return self._url

    def getsockname(self):
        return self.cfg_addr


def new_server(settings, cfg, log, app):
    """gunicorn's arbiter, as hooks see it. ``pid`` is that of lab's arbiter, also where another process runs the hook."""
    return SimpleNamespace(
        log=log,
        cfg=cfg,
        app=app,
        pid=settings.get("arbiter"),
        num_workers=settings.get("workers", 1),
        address=cfg.address,
        timeout=settings.get("timeout_s"),
        proc_name=cfg.proc_name,
        worker_age=settings.get("age", 0),
        master_pid=0,
        reexec_pid=0,
        LISTENERS=[],
        WORKERS={},
    )


def new_worker(settings, server):
    """gunicorn's worker, before it is forked."""
    return SimpleNamespace(
        log=server.log,
        cfg=server.cfg,
        app=server.app,
        pid="[booting]",
        ppid=settings.get("arbiter"),
        age=settings.get("age", 0),
        sockets=server.LISTENERS,
        alive=True,
        booted=False,
        aborted=False,
        nr=0,
        timeout=settings.get("timeout_s"),
    )


def _address(bind):
    if bind.startswith("unix:"):
        path = bind[len("unix:") :]
        return path[2:] if path.startswith("//") else path
    if bind.startswith("fd://"):
        return int(bind[len("fd://") :])
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdigit():
        host, port = bind, "8000"
    return host.strip("[]") or "0.0.0.0", int(port)
