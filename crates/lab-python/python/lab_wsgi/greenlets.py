"""Runs the application in greenlets on gevent's hub, in the main thread (gunicorn's ``gevent`` worker).

The event loop has a thread of its own, which needs no interpreter. It reads whole requests and sends what clients accept
late, so a greenlet only ever waits for what its application waits for, and for the client of a long response.
"""

import os
import re

try:
    import gevent
    from gevent import monkey, socket
    from gevent.event import Event
    from gevent.pool import Group
except ImportError as error:
    raise ImportError(f"worker_class = gevent needs gevent, which cannot be imported: {error}") from error

# As in gunicorn 27.
OLDEST = [24, 10, 1]

# Of libev.
READ = 1

# The most seconds between two heartbeats.
HEARTBEAT_INTERVAL = 1
# Seconds that greenlets have to end when the worker does.
LAST_SECONDS = 1


class Greenlets:
    """The hub's part of a worker. Creating it patches the standard library."""

    def __init__(self, worker, timeout):
        patch()
        # Before a signal's handler, which may come at any time, needs it to spawn a greenlet.
        self._hub = gevent.get_hub()
        self._worker = worker
        # A hub that only runs late must not look blocked.
        self._heartbeat_interval = min(HEARTBEAT_INTERVAL, timeout / 4) if timeout else HEARTBEAT_INTERVAL
        self._calls = Group()
        self._ended = Event()
        self._watcher = None
        self._interrupted = None
        # The greenlet that made this process, in a copy of the worker.
        self._forker = None
        os.register_at_fork(after_in_child=self._become_copy)

    def serve(self, application, signals, jitter):
        """Serves until the worker ends. Returns whether every call has ended."""
        calls = self._worker.start(application, signals, jitter, self)
        self._watcher = self._hub.loop.io(calls.fileno(), READ)
        self._watcher.start(self._take, calls)
        while not self._ended.is_set():
            try:
                self._worker.beat()
                self._end_copy()
                self._ended.wait(self._heartbeat_interval)
            except (KeyboardInterrupt, SystemExit):
                # gevent raises here what ends a greenlet that is no request's.
                self._worker.retire()
        self._watcher.close()
        if self._interrupted is not None:
            self._interrupted.join(LAST_SECONDS)
        self._calls.kill(timeout=LAST_SECONDS)
        calls.join()
        return not self._calls

    def interrupt(self, hooks):
        """Handles a signal that ends the worker at once. A hook may block, which a signal's handler must not."""
        self._interrupted = gevent.spawn(hooks.call_logged, "worker_int", hooks.worker)

    def wait_writable(self, descriptor, timeout):
        """Lets other greenlets run until a socket accepts more. Returns False if it does not within ``timeout``."""
        late = gevent.Timeout(timeout)
        try:
            socket.wait_write(descriptor, timeout, late)
        except gevent.Timeout as error:
            # The application may have a timeout of its own.
            if error is not late:
                raise
            return False
        return True

    def give_way(self):
        gevent.sleep(0)

    def stop_bystander(self):
        """In a copy of the worker, never returns in another greenlet than the one that forked."""
        while gevent.getcurrent() is not self._forker:
            gevent.get_hub().switch()

    def _take(self, calls):
        for call in calls.take():
            self._calls.spawn(call)
        if calls.has_ended():
            self._ended.set()

    def _become_copy(self):
        self._forker = gevent.getcurrent()
        if self._watcher is not None:
            self._watcher.stop()

    def _end_copy(self):
        """Ends a copy whose own greenlet has ended without leaving a call of the application."""
        if self._forker is not None and self._forker.dead:
            os._exit(0)


def patch():
    """Makes the standard library cooperative, as gunicorn's worker does before it loads the application."""
    # gevent.version_info is a constant that says nothing.
    numbers = [int(digits) for digits in re.findall(r"\d+", gevent.__version__)]
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ImportError(f"worker_class = gevent needs gevent {oldest} or later, and this is {gevent.__version__}")
    monkey.patch_all()
