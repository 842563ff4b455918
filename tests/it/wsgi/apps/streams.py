"""Responses that take their time."""

import itertools
import os
import tempfile
import threading
import time

LARGE = 32 * 1024 * 1024
PIECE = 8 * 1024
SHARED = b"x" * LARGE
meeting = threading.Barrier(2)
local = threading.local()
kept = []
numbers = itertools.count()


def waiting():
    folder = tempfile.mkdtemp()
    signal = os.path.join(folder, "x-go")
    yield signal.encode()
    while not os.path.exists(signal):
        time.sleep(0.001)
    os.remove(signal)
    os.rmdir(folder)
    yield b"went on"


def app(environ, start_response):
    path = environ["PATH_INFO"]

    def respond(content, length=None):
        start_response("200 OK", [] if length is None else [("Content-Length", str(length))])
        return content

    if path == "/generator":
        return respond(waiting())
    if path == "/wait":
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.001)
        return respond([b"waited"])
    if path == "/large-list":
        return respond([b"x" * LARGE])
    if path == "/shared-list":
        return respond([SHARED])
    if path == "/large-pieces":
        return respond(bytes([number % 251]) * PIECE for number in range(LARGE // PIECE))
    if path == "/many-pieces":
        return respond([bytes([number % 251]) * PIECE for number in range(LARGE // PIECE)])
    if path == "/large-file":
        file = tempfile.TemporaryFile()
        file.truncate(LARGE)
        return respond(environ["wsgi.file_wrapper"](file), LARGE)
    if path == "/keeps-environ":
        kept.append(environ)
        return respond([f"read {len(environ['wsgi.input'].read())}".encode()])
    if path == "/meet":
        meeting.wait(timeout=30)
        own = threading.current_thread() is not threading.main_thread()
        multithread = "multithread" if environ["wsgi.multithread"] else "single"
        return respond([f"met in {'a thread of its own' if own else 'the main thread'}, {multithread}".encode()])
    if path == "/read":
        return respond([environ["wsgi.input"].read()])
    if path == "/until-end":
        body = "".join(piece.decode() for piece in iter(lambda: environ["wsgi.input"].read(4), b""))
        content = f'{environ["wsgi.input_terminated"]} "{body}".'.encode()
        return respond([content], len(content))
    if path == "/writes-on":
        write = start_response("200 OK", [])
        threading.Thread(target=write, args=[b"x" * LARGE], daemon=True).start()
        # Until the thread waits for the client.
        while True:
            try:
                write(b"")
            except RuntimeError:
                return []
            time.sleep(0.001)
    if path == "/reads-on":
        threading.Thread(target=environ["wsgi.input"].read, daemon=True).start()
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.001)
        return respond([b"read on"])
    if path == "/number":
        time.sleep(0.003)
        content = str(next(numbers)).encode()
        return respond([content], len(content))
    if path == "/local":
        local.calls = getattr(local, "calls", 0) + 1
        return respond([str(local.calls).encode()])
    return respond([path[1:].encode()])
