"""Does, by its path, everything right that an application can do. Wrapped in wsgiref's validator, which checks the
server's side of PEP 3333 as well."""

import io
import os
import sys
import tempfile
import threading
from wsgiref.validate import validator

closed = 0


class Closing:
    """An iterable that counts how often it is closed."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        global closed
        closed += 1


class Sized(Closing):
    def __init__(self, pieces):
        super().__init__(pieces)
        self.length = len(pieces)

    def __len__(self):
        return self.length


def plain(environ, start_response):
    path = environ["PATH_INFO"]
    stream = environ["wsgi.input"]
    headers = [("Content-Type", "text/plain")]

    def text(value):
        content = value if isinstance(value, bytes) else str(value).encode("latin-1")
        start_response("200 OK", headers + [("Content-Length", str(len(content)))])
        return Closing([content])

    def open_ended(iterable):
        start_response("200 OK", headers)
        return iterable

    if path == "/environ":
        # What differs from run to run is not told.
        told = {key: value for key, value in environ.items() if isinstance(value, str) and key not in VARYING}
        return text("\n".join(f"{key}={value}" for key, value in sorted(told.items())))
    if path == "/read":
        return text(stream.read(-1) + b"|" + stream.read(1))
    if path == "/read-bits":
        pieces = []
        while piece := stream.read(4):
            pieces.append(piece)
        return text(b"|".join(pieces))
    if path == "/readline":
        return text(b"|".join([stream.readline(), stream.readline(3), stream.readline(-1), stream.readline()]))
    if path == "/readlines":
        return text(b"|".join(stream.readlines()))
    if path == "/readlines-hint":
        return text(b"|".join(stream.readlines(4)) + b"+" + stream.read(-1))
    if path == "/iterate":
        return text(b"|".join(stream))
    if path == "/length":
        return text(len(stream.read(-1)))
    if path == "/list":
        return open_ended([b"one, ", b"", b"two"])
    if path == "/large-list":
        return open_ended([environ["QUERY_STRING"].encode() * 50_000])
    if path == "/generator":
        return open_ended(Closing([b"one, ", b"", b"two"]))
    if path == "/one":
        return open_ended(Sized([b"only one"]))
    if path == "/empty":
        return open_ended(Closing([]))
    if path == "/write":
        write = start_response("200 OK", headers)
        write(b"written, ")
        write(b"")
        return [b"returned"]
    if path == "/late":
        # The head may be changed as long as it has not left.
        start_response("200 OK", headers)
        try:
            raise ValueError("too late")
        except ValueError:
            start_response("500 Late", headers, sys.exc_info())
        return [b"changed"]
    if path == "/own-fields":
        start_response("299 As I like it", [("content-TYPE", "text/plain"), ("Set-Cookie", "a=1"), ("X-B", " caf\xe9 "),
                                            ("set-cookie", "b=2"), ("Date", "today"), ("Server", "mine")])
        return [b"own"]
    if path == "/no-content":
        start_response("204 No Content", [])
        return []
    if path == "/not-modified":
        start_response("304 Not Modified", [("ETag", '"a"')])
        return []
    if path == "/closed":
        return text(closed)
    if path == "/file":
        file = tempfile.TemporaryFile("w+b", buffering=0)
        file.write(b"0123456789")
        file.seek(3)
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](file)
    if path == "/file-like":
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](io.BytesIO(b"not a file"), 4)
    if path == "/errors":
        environ["wsgi.errors"].write("said on wsgi.errors\n")
        environ["wsgi.errors"].flush()
        print("said on stdout", flush=True)
        return text("said")
    if path == "/thread":
        answers = []
        thread = threading.Thread(target=lambda: answers.append("from a thread"))
        thread.start()
        thread.join()
        return text(answers[0])
    if path == "/pid":
        return text(os.getpid())
    return text(f"you asked for {path}")


VARYING = ("REMOTE_PORT", "SERVER_PORT")
app = validator(plain)
