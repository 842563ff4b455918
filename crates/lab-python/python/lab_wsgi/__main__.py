"""A worker: reads its settings from the descriptor it inherits, loads the application and serves it."""

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
        notes = os.environ.pop("LAB_WSGI_NOTES_FD", None)
        worker = _lab_wsgi.Worker(text, None if notes is None else int(notes))
        wake_up = catch_signals()
        settle_in(settings)
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
        has_ended = worker.serve(application, wake_up, jitter)
    except (OSError, ValueError) as error:
        print(f"lab_wsgi: the worker cannot serve: {error}", file=sys.stderr)
        return BOOT_ERROR
    if not has_ended:
        # Threads that are still in the application would be torn out of it, in unsafe ways.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def settle_in(settings):
    """Goes where the application expects to be: its folder, its path, its environment."""
    for assignment in settings.get("raw_env", []):
        name, _, value = assignment.partition("=")
        os.environ[name] = value
    if settings.get("chdir"):
        os.chdir(settings["chdir"])
    # In the place of what `python -m` puts there.
    sys.path[0] = os.getcwd()
    for folder in settings.get("pythonpath", []):
        sys.path.insert(0, os.path.abspath(folder))


def catch_signals():
    """Signals wake the loop, which then ends; those that end quickly interrupt the application as well. Returns the
    descriptor the loop is woken by."""
    faulthandler.enable()
    ours, loops = socket.socketpair()
    ours.setblocking(False)
    signal.set_wakeup_fd(ours.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGQUIT, interrupt)
    signal.signal(signal.SIGABRT, abort)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    return loops.detach()


def interrupt(number, frame):
    raise SystemExit(0)


def abort(number, frame):
    """The arbiter has found the worker silent for too long: says where it is, and ends."""
    print(f"lab_wsgi: worker {os.getpid()} is aborted here:", file=sys.stderr)
    traceback.print_stack(frame)
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
