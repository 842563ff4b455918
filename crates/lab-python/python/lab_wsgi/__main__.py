"""A worker: reads its settings from an inherited descriptor, loads the application and serves it."""

import faulthandler
import json
import os
import random
import signal
import socket
import sys
import traceback

from . import _lab_wsgi
from .application import ApplicationError, load

# gunicorn's exit codes (Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR)
BOOT_ERROR = 3
APP_LOAD_ERROR = 4


def main():
    descriptor = os.environ.pop("LAB_WSGI_SETTINGS_FD", None)
    if descriptor is None:
        print("lab_wsgi: this is a worker, which `lab serve` starts", file=sys.stderr)
        return BOOT_ERROR
    try:
        with open(int(descriptor), encoding="utf-8") as document:
            text = document.read()
        settings = json.loads(text)
        scoreboard = os.environ.pop("LAB_WSGI_SCOREBOARD_FD", None)
        worker = _lab_wsgi.Worker(text, None if scoreboard is None else int(scoreboard))
        signals = catch_signals()
        prepare_process(settings)
    except Exception as error:
        print(f"lab_wsgi: the worker cannot boot: {error}", file=sys.stderr)
        return BOOT_ERROR
    try:
        application = load(settings["app"])
    except ApplicationError as error:
        print(f"lab_wsgi: cannot load the application {settings['app']!r}: {error}", file=sys.stderr)
        return APP_LOAD_ERROR
    except BaseException:
        print(f"lab_wsgi: cannot load the application {settings['app']!r}", file=sys.stderr)
        traceback.print_exc()
        return BOOT_ERROR
    jitter = random.randint(0, settings.get("max_requests_jitter", 0))
    try:
        has_ended = worker.serve(application, signals, jitter)
    except (OSError, ValueError) as error:
        print(f"lab_wsgi: the worker cannot serve: {error}", file=sys.stderr)
        return BOOT_ERROR
    if not has_ended:
        # A normal exit would finalize the interpreter under threads that still run the application.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def prepare_process(settings):
    """Sets the environment, the current folder and the module path that the application expects."""
    for assignment in settings.get("raw_env", []):
        name, _, value = assignment.partition("=")
        os.environ[name] = value
    if settings.get("chdir"):
        os.chdir(settings["chdir"])
    # `python -m` puts its own folder first.
    sys.path[0] = os.getcwd()
    for folder in settings.get("pythonpath", []):
        sys.path.insert(0, os.path.abspath(folder))


def catch_signals():
    """Installs the signal handlers. Every signal wakes the event loop; those for a quick stop also interrupt the
    application. Returns the descriptor that signal numbers can be read from."""
    faulthandler.enable()
    writer, reader = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGQUIT, interrupt)
    signal.signal(signal.SIGABRT, abort)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    return reader.detach()


def interrupt(number, frame):
    raise SystemExit(0)


def abort(number, frame):
    """SIGABRT: the arbiter found the worker silent for too long. Prints the stack and ends the worker."""
    print(f"lab_wsgi: worker {os.getpid()} is aborted here:", file=sys.stderr)
    traceback.print_stack(frame)
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
