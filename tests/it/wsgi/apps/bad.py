"""Does, by its path, everything wrong that an application can do."""

import os
import sys
import time

HEADERS = [("Content-Type", "text/plain")]
closed = 0


class Unpicklable(Exception):
    def __init__(self, thing):
        super().__init__(lambda: thing)

    def __reduce__(self):
        raise TypeError("not to be pickled")

    def __str__(self):
        raise RuntimeError("not to be printed either")


def pieces(*content, error=None):
    """A generator that ends badly, and knows when it is closed."""
    global closed
    try:
        yield from content
        if error is not None:
            raise error
    finally:
        closed += 1


class FailsToClose:
    def __iter__(self):
        return iter([b"all of it"])

    def close(self):
        raise OSError("cannot close")


def recurse():
    return recurse() + 1


def app(environ, start_response):
    path = environ["PATH_INFO"]

    def respond(content, status="200 OK", headers=HEADERS):
        start_response(status, headers)
        return content

    if path == "/raises":
        raise ValueError("out of coffee")
    if path == "/raises-after-start":
        start_response("200 OK", HEADERS)
        raise ValueError("out of coffee")
    if path == "/raises-first":
        return respond(pieces(error=ValueError("out of coffee")))
    if path == "/raises-midway":
        return respond(pieces(b"one, ", error=ValueError("out of coffee")))
    if path == "/raises-midway-sized":
        return respond(pieces(b"one, ", error=ValueError("out of coffee")), headers=[("Content-Length", "20")])
    if path == "/raises-in-close":
        return respond(FailsToClose())
    if path == "/closed":
        return respond([str(closed).encode()])
    if path == "/too-short":
        return respond([b"only this"], headers=[("Content-Length", "20")])
    if path == "/too-long":
        return respond([b"only this, and nothing more"], headers=[("Content-Length", "9")])
    if path == "/too-long-generator":
        return respond(pieces(b"only ", b"this", b", and nothing more"), headers=[("Content-Length", "9")])
    if path == "/twice":
        start_response("200 OK", HEADERS)
        return respond([b"never seen"])
    if path == "/exc-info-too-late":
        write = start_response("200 OK", HEADERS)
        write(b"on its way, ")
        try:
            raise ValueError("out of coffee")
        except ValueError:
            return respond_with_error(start_response)
    if path == "/no-start":
        return [b"never seen"]
    if path == "/nothing":
        return None
    if path == "/text":
        return respond(["never seen"])
    if path == "/text-generator":
        return respond(pieces(b"one, ", "two"))
    if path == "/bad-status":
        return respond([b"never seen"], status="OK")
    if path == "/status-number":
        return respond([b"never seen"], status=200)
    if path == "/interim":
        return respond([], status="103 Early Hints")
    if path == "/bad-name":
        return respond([b"never seen"], headers=[("X A", "b")])
    if path == "/split":
        return respond([b"never seen"], headers=[("X-A", "b\r\nX-Forged: c")])
    if path == "/split-status":
        return respond([b"never seen"], status="200 OK\r\nX-Forged: c")
    if path == "/snowman":
        return respond([b"never seen"], headers=[("X-A", "\u2603")])
    if path == "/bytes-header":
        return respond([b"never seen"], headers=[(b"X-A", b"b")])
    if path == "/no-pair":
        return respond([b"never seen"], headers=["X-A"])
    if path == "/hop-by-hop":
        return respond([b"never seen"], headers=[("Connection", "upgrade")])
    if path == "/two-lengths":
        return respond([b"12345"], headers=[("Content-Length", "5"), ("Content-Length", "5")])
    if path == "/bad-length":
        return respond([b"12345"], headers=[("Content-Length", "+5")])
    if path == "/keyboard-interrupt":
        raise KeyboardInterrupt
    if path == "/system-exit":
        sys.exit(7)
    if path == "/recursion":
        recurse()
    if path == "/unpicklable":
        raise Unpicklable(environ)
    if path == "/read":
        return respond([environ["wsgi.input"].read()])
    if path == "/read-anyway":
        try:
            return respond([environ["wsgi.input"].read()])
        except OSError as error:
            return respond([f"{type(error).__name__}: {error}".encode()])
    if path == "/read-late":
        write = start_response("200 OK", HEADERS)
        write(b"first, ")
        try:
            return [environ["wsgi.input"].read()]
        except OSError as error:
            return [str(error).encode()]
    if path == "/body-where-none-is":
        return respond([b"never seen"], status="204 No Content")
    if path == "/endless":
        return respond(iter(lambda: b"x" * 65536, None))
    if path == "/hang":
        time.sleep(600)
    if path == "/crash":
        os.kill(os.getpid(), 11)
    return respond([f"you asked for {path}".encode()])


def respond_with_error(start_response):
    start_response("500 Too Late", HEADERS, sys.exc_info())
    return [b"never seen"]
