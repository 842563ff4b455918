"""The small applications that `cargo bench --bench servers` has all servers serve."""

import time

TEN_KILOBYTES = b"x" * 10_000


def pong(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"Pong!"]


def ten_kilobytes(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10000")])
    return [TEN_KILOBYTES]


def echo(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def sleep(environ, start_response):
    time.sleep(0.01)
    return pong(environ, start_response)


if __name__ == "__main__":
    # bjoern has no command line.
    import importlib
    import sys

    import bjoern

    module, name = sys.argv[1].split(":")
    bjoern.run(getattr(importlib.import_module(module), name), "127.0.0.1", int(sys.argv[2]))
