"""Calls server hooks (gunicorn: "Server Hooks").

The arbiter is not a Python program. The hooks that gunicorn runs in its arbiter run in the fork server, which evaluates the
configuration file again to get them, and whose workers share them.
"""

import importlib
import os
from types import SimpleNamespace

from .configuration import evaluate
from .server import Application, Config, new_server, new_worker


class Hooks:
    """The server hooks of one process. A hook that is not set is not called."""

    def __init__(self, settings, log):
        given = settings.get("hooks") or {}
        variables = evaluate(given["location"], given["folder"]) if given.get("location") else {}
        self._hooks = {name: _function(name, variables[name]) for name in given.get("names", [])}
        cfg = Config(variables, settings)
        self.server = new_server(settings, cfg, log, Application(settings, cfg))
        self.worker = None

    @classmethod
    def of_worker(cls, settings, log):
        """The hooks of a worker without an arbiter, which evaluates the configuration file itself."""
        hooks = cls(settings, log)
        hooks.worker = new_worker(settings, hooks.server)
        hooks.worker.pid = os.getpid()
        return hooks

    def call(self, name, *arguments):
        hook = self._hooks.get(name)
        if hook is not None:
            hook(*arguments)

    def call_logged(self, name, *arguments):
        """Calls a hook whose exception must not end the worker."""
        try:
            self.call(name, *arguments)
        except Exception:
            self.server.log.exception("the hook %s raised", name)

    def around_requests(self, application):
        """The application with pre_request and post_request around each call."""
        if not {"pre_request", "post_request"} & self._hooks.keys():
            return application

        def call(environ, start_response):
            request = request_namespace(environ)
            response = SimpleNamespace(status=None, status_code=None, headers=[])
            self.worker.nr += 1
            self.call("pre_request", self.worker, request)

            def start(status, headers, *exc_info):
                response.status, response.headers = status, headers
                response.status_code = int(status.split(" ", 1)[0])
                return start_response(status, headers, *exc_info)

            def end():
                self.call_logged("post_request", self.worker, request, environ, response)

            if "post_request" not in self._hooks:
                return application(environ, start)
            try:
                content = application(environ, start)
            except BaseException:
                end()
                raise
            return _Content(content, end)

        return call


class _Content:
    """The application's iterable, with a function that runs when the response is complete."""

    def __init__(self, content, end):
        self._content = content
        self._end = end

    def __iter__(self):
        return iter(self._content)

    def close(self):
        try:
            close = getattr(self._content, "close", None)
            if close is not None:
                close()
        finally:
            self._end()


def request_namespace(environ):
    """gunicorn's request object, from the environ."""
    fields = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if name in environ:
            fields.append((name.replace("_", "-"), environ[name]))
    major, _, minor = environ["SERVER_PROTOCOL"].partition("/")[2].partition(".")
    return SimpleNamespace(
        method=environ["REQUEST_METHOD"],
        uri=environ["RAW_URI"],
        path=environ["PATH_INFO"],
        query=environ["QUERY_STRING"],
        headers=fields,
        version=(int(major), int(minor)),
        body=environ["wsgi.input"],
        scheme=environ["wsgi.url_scheme"],
        remote_addr=(environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")),
    )


def _function(name, hook):
    """A hook as a function that takes all arguments. As in gunicorn, a hook may be the dotted name of a function, and
    post_request may take fewer arguments."""
    if isinstance(hook, str):
        module, _, attribute = hook.rpartition(".")
        hook = getattr(importlib.import_module(module), attribute)
    if name != "post_request":
        return hook
    # Imported here, as most workers do without it.
    import inspect

    arity = len(inspect.signature(hook).parameters)
    return lambda *arguments: hook(*arguments[:arity])
