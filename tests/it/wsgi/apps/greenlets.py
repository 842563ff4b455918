"""An application of a gevent worker."""

import os
import socket
import subprocess
import sys
import threading
import time

import gevent
from gevent import monkey

LARGE = 32 * 1024 * 1024
PIECE = 8 * 1024
meeting = threading.Barrier(2)
local = threading.local()


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.001)


def interrupted(path):
    try:
        time.sleep(60)
    finally:
        with open(path, "w") as file:
            file.write("interrupted")


def waiting(path):
    yield b"first "
    wait_for(path)
    yield b"second"


def busy(path):
    # Neither this nor a client that reads fast ever waits.
    while not os.path.exists(path):
        yield b"x" * 1024


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]

    def respond(content):
        start_response("200 OK", [])
        return content

    def text(value):
        return respond([str(value).encode()])

    if path == "/sleep":
        time.sleep(float(query))
    if path == "/wait":
        with open(query + ".waiting", "a") as file:
            file.write("x")
        wait_for(query)
        return text("waited")
    if path == "/touch":
        open(query, "w").close()
    if path == "/stream":
        return respond(waiting(query))
    if path == "/busy":
        return respond(busy(query))
    if path == "/large-pieces":
        return respond(bytes([number % 251]) * PIECE for number in range(LARGE // PIECE))
    if path == "/large-list":
        return respond([bytes([number % 251]) * PIECE for number in range(LARGE // PIECE)])
    if path == "/written":
        write = start_response("200 OK", [])
        for number in range(LARGE // PIECE):
            write(bytes([number % 251]) * PIECE)
        return []
    if path == "/read":
        return respond([environ["wsgi.input"].read()])
    if path == "/read-in-greenlet":
        return respond([gevent.spawn(environ["wsgi.input"].read).get()])
    if path == "/subprocess":
        program = "while [ ! -e $0 ]; do sleep 0.01; done; echo done"
        return respond([subprocess.run(["sh", "-c", program, query], stdout=subprocess.PIPE, check=True).stdout])
    if path == "/socket":
        with socket.create_connection(("127.0.0.1", int(query))) as client:
            return respond([client.recv(100)])
    if path == "/meet":
        meeting.wait(timeout=30)
        multithread = "multithread" if environ["wsgi.multithread"] else "single"
        is_main = threading.get_native_id() == os.getpid()
        return text(f"met in {'the main thread' if is_main else 'another thread'}, {multithread}")
    if path == "/local":
        local.calls = getattr(local, "calls", 0) + 1
        return text(local.calls)
    if path == "/raises":
        raise ValueError("out of coffee")
    if path == "/greenlet-exit":
        raise gevent.GreenletExit
    if path == "/is-killed":
        gevent.getcurrent().kill()
    if path == "/times-out":
        with gevent.Timeout(0.01):
            time.sleep(60)
    if path == "/exits":
        sys.exit(7)
    if path == "/raises-late":
        return respond(part if part else part.decode() for part in (b"begun", None))
    if path == "/background-exit":
        gevent.spawn(sys.exit, 7)
    if path == "/interrupted":
        interrupted(query)
    if path == "/blocks":
        monkey.get_original("time", "sleep")(60)
    return text(path[1:])
