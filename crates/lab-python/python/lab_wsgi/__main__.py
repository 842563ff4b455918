"""A worker, which loads the application and serves it. ``python -m lab_wsgi`` runs one without an arbiter, with settings
from an inherited descriptor."""

import faulthandler
import gc
import json
import os
import random
import signal
import socket
import sys
import traceback

from . import _lab_wsgi, access_log, gunicorn_finder, loggers
from .application import ApplicationError
from .hooks import Hooks

# gunicorn's exit codes (Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR)
BOOT_ERROR = 3
APP_LOAD_ERROR = 4


def main():
    descriptor = os.environ.pop("LAB_WSGI_SETTINGS_FD", None)
    if descriptor is None:
        print("lab_wsgi: this is a worker, which `lab serve` starts", file=sys.stderr)
        return BOOT_ERROR
    scoreboard = os.environ.pop("LAB_WSGI_SCOREBOARD_FD", None)
    try:
        with open(int(descriptor), encoding="utf-8") as document:
            text = document.read()
    except Exception as error:
        print(f"lab_wsgi: the worker cannot boot: {error}", file=sys.stderr)
        return BOOT_ERROR
    return run_worker(text, None if scoreboard is None else int(scoreboard))


def run_worker(text, scoreboard, hooks=None):
    """Runs a worker to its end, and returns its exit code. ``hooks`` are those of the fork server that forked it, which has
    prepared the process."""
    try:
        settings = json.loads(text)
        worker = _lab_wsgi.Worker(text, scoreboard)
        signals = open_signals()
        os.register_at_fork(after_in_child=lambda: become_copy(worker), after_in_parent=worker.remember_copy)
        if hooks is None:
            prepare_process(settings)
            hooks = Hooks.of_worker(settings, loggers.set_up(settings))
        log = hooks.server.log
        access_log.watch(log, settings)
        if settings.get("logging"):
            worker.log_errors_with(log, loggers.error_level())
        catch_signals(worker, hooks)
        hooks.call("post_fork", hooks.server, hooks.worker)
        greenlets = start_greenlets(worker, settings, hooks) if settings.get("worker_class") == "gevent" else None
    except Exception as error:
        print(f"lab_wsgi: the worker cannot boot: {error}", file=sys.stderr)
        return BOOT_ERROR
    code = load_application(hooks.server.app, settings)
    if code:
        return code
    application = hooks.server.app.wsgi()
    jitter = random.randint(0, settings.get("max_requests_jitter", 0))
    hooks.worker.booted = True
    hooks.call_logged("post_worker_init", hooks.worker)
    freeze_loaded_objects()
    access_writer = access_log.writer(log, settings)
    if access_writer is not None:
        worker.write_access_log_with(access_writer)
    if settings.get("logging"):
        signal.signal(signal.SIGUSR1, lambda number, frame: log.reopen_files())
    try:
        has_ended = (greenlets or worker).serve(hooks.around_requests(application), signals, jitter)
    except (OSError, ValueError) as error:
        print(f"lab_wsgi: the worker cannot serve: {error}", file=sys.stderr)
        return BOOT_ERROR
    hooks.worker.alive = False
    hooks.call_logged("worker_exit", hooks.server, hooks.worker)
    if not has_ended:
        # A normal exit would finalize the interpreter under threads or greenlets that still run the application.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def load_application(app, settings):
    """Loads the application. Returns an exit code if that fails, after printing the reason, and 0 otherwise."""
    try:
        app.wsgi()
    except ApplicationError as error:
        print(f"lab_wsgi: cannot load the application {settings['app']!r}: {error}", file=sys.stderr)
        return APP_LOAD_ERROR
    except BaseException:
        print(f"lab_wsgi: cannot load the application {settings['app']!r}", file=sys.stderr)
        traceback.print_exc()
        return BOOT_ERROR
    return 0


def freeze_loaded_objects():
    """Exempts all objects that exist from garbage collection: a full collection would scan everything that was imported, for
    20 ms with Flask, while all connections wait. Workers also share the pages of these objects with the fork server until
    somebody writes to them, as the collector would."""
    gc.collect()
    gc.freeze()


def prepare_process(settings):
    """Sets the environment, the current folder and the module path that the application expects."""
    os.environ["SERVER_SOFTWARE"] = _lab_wsgi.SERVER_SOFTWARE
    gunicorn_finder.install()
    for assignment in settings.get("raw_env", []):
        name, _, value = assignment.partition("=")
        os.environ[name] = value
    if settings.get("chdir"):
        os.chdir(settings["chdir"])
    # `python -m` puts its own folder first.
    sys.path[0] = os.getcwd()
    for folder in settings.get("pythonpath", []):
        sys.path.insert(0, os.path.abspath(folder))


def open_signals():
    """Makes every caught signal wake the event loop. Returns the descriptor that signal numbers can be read from."""
    faulthandler.enable()
    writer, reader = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    return reader.detach()


def catch_signals(worker, hooks):
    """Installs the handlers of the signals that interrupt the application."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda number, frame: interrupt(hooks))
    signal.signal(signal.SIGABRT, lambda number, frame: abort(worker, hooks, frame))


def start_greenlets(worker, settings, hooks):
    """Patches the standard library. Call it before the application is loaded."""
    from .greenlets import Greenlets

    greenlets = Greenlets(worker, settings.get("timeout_s", 30))
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda number, frame: greenlets.interrupt(hooks))
    return greenlets


def become_copy(worker):
    """Runs in a child that the application forked, which must not use what belongs to the worker."""
    worker.give_up()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(hooks):
    hooks.call_logged("worker_int", hooks.worker)
    raise SystemExit(0)


def abort(worker, hooks, frame):
    """SIGABRT: the arbiter found the worker silent for too long. Prints the stack, interrupts the call and retires the
    worker."""
    worker.abort()
    print(f"lab_wsgi: worker {os.getpid()} is aborted here:", file=sys.stderr)
    traceback.print_stack(frame)
    hooks.call_logged("worker_abort", hooks.worker)
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
