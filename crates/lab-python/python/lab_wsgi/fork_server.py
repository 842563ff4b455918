"""The fork server: the Python side of the arbiter. It forks the workers, runs the server hooks that gunicorn runs in its
arbiter, and loads the application if that is preloaded.

Standard input is a socket to the arbiter. The arbiter sends one request at a time, a JSON document with the descriptors of
a new worker if it is about one, and waits for the reply (lab-serve: arbiter/fork_server.rs).
"""

import array
import json
import os
import pwd
import signal
import socket
import sys
import traceback

from . import _lab_wsgi, access_log, configuration, loggers
from .__main__ import BOOT_ERROR, freeze_loaded_objects, load_application, prepare_process, run_worker
from .hooks import Hooks
from .server import Listener, new_worker

LONGEST_REQUEST = 256 * 1024
MOST_DESCRIPTORS = 253
# The arbiter's signals, which a terminal or a service manager may send to all processes of a server. The fork server ends
# when the arbiter closes the socket.
ARBITERS_SIGNALS = [
    getattr(signal, f"SIG{name}") for name in "HUP INT QUIT TERM TTIN TTOU USR1 USR2 WINCH".split()
]


class Interrupted(Exception):
    """A hook raised an exception. Holds the reply that says so."""

    def __init__(self, reply):
        super().__init__(reply)
        self.reply = reply


class ForkServer:
    def __init__(self, control):
        self._control = control
        self._pid = os.getpid()
        self._settings = None
        self._hooks = None
        # What a reload has replaced, for the case that its workers cannot boot.
        self._former = None, None
        self._overridden_variables = {}
        # Programs that a hook starts would inherit a signal that is ignored, but not a handler.
        self._dispositions = {number: signal.signal(number, ignore) for number in ARBITERS_SIGNALS}

    def run(self):
        """Serves the arbiter to its end, and returns None. In a worker that it forks, returns the arguments of
        ``run_worker``."""
        while True:
            request, descriptors = self._receive()
            if request is None:
                return None
            try:
                reply = getattr(self, "_" + request["request"])(request, descriptors)
            except Interrupted as interrupted:
                reply = interrupted.reply
            finally:
                if os.getpid() == self._pid:
                    for descriptor in descriptors:
                        os.close(descriptor)
            if isinstance(reply, tuple):
                return reply
            self._reply(reply)

    def _receive(self):
        size = array.array("i").itemsize
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        text, ancillary, _, _ = self._control.recvmsg(LONGEST_REQUEST, socket.CMSG_SPACE(MOST_DESCRIPTORS * size), flags)
        if not text:
            return None, []
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) - len(data) % size])
        request = json.loads(text)
        if self._hooks is not None:
            self._update_server(request["server"])
        return request, list(descriptors)

    def _reply(self, reply):
        self._control.send(json.dumps(reply).encode())

    def _update_server(self, state):
        server = self._hooks.server
        server.num_workers = state["num_workers"]
        server.master_pid, server.reexec_pid = state["master_pid"], state["reexec_pid"]
        if [str(listener) for listener in server.LISTENERS] != state["listeners"]:
            server.LISTENERS[:] = [Listener(url) for url in state["listeners"]]

    def _configure(self, request, descriptors):
        """Sets the process up, and evaluates the configuration file for its hooks and its logger."""
        settings = request["settings"]
        is_first = self._hooks is None
        if is_first:
            _lab_wsgi.die_with_arbiter(settings["arbiter"])
        self._exchange_variables(settings)
        try:
            prepare_process(settings)
            configuration.forget()
            try:
                log = loggers.set_up(settings)
            except RuntimeError as error:
                # It says which setting is wrong, so nobody needs its traceback.
                return {"raised": describe(error)}
            access_log.watch(log, settings)
            hooks = Hooks(settings, log)
        except Exception as error:
            traceback.print_exc()
            return {"raised": describe(error)}
        if not request["keeps_former"]:
            self._former = self._settings, self._hooks
        if not is_first:
            hooks.server.WORKERS = self._hooks.server.WORKERS
            hooks.server.worker_age = self._hooks.server.worker_age
            # As in gunicorn, a reload does not load an application again that is loaded here.
            hooks.server.app.callable = self._hooks.server.app.callable
        self._settings, self._hooks = settings, hooks
        self._update_server(request["server"])
        return "done"

    def _load_application(self, request, descriptors):
        code = load_application(self._hooks.server.app, self._settings)
        if code:
            return {"not_loaded": code}
        freeze_loaded_objects()
        return "done"

    def _restore_configuration(self, request, descriptors):
        settings, hooks = self._former
        if hooks is None:
            return {"raised": "the fork server has no former configuration"}
        self._settings, self._hooks = settings, hooks
        self._exchange_variables(settings)
        prepare_process(settings)
        return "done"

    def _exchange_variables(self, settings):
        """Removes the variables that another configuration has set, and remembers what this one is about to override."""
        for name, value in self._overridden_variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        names = [pair.partition("=")[0] for pair in settings.get("raw_env", [])]
        self._overridden_variables = {name: os.environ.get(name) for name in names}

    def _reopen_logs(self, request, descriptors):
        # A logger of the configuration may have files; otherwise only the arbiter has some.
        reopen_files = getattr(self._hooks.server.log, "reopen_files", None)
        if reopen_files is not None:
            try:
                reopen_files()
            except Exception as error:
                return {"raised": describe(error)}
        return "done"

    def _call_hook(self, request, descriptors):
        self._call(request["hook"], self._hooks.server)
        return "done"

    def _change_worker_count(self, request, descriptors):
        server = self._hooks.server
        self._call("nworkers_changed", server, server.num_workers, request["before"])
        return "done"

    def _report_exit(self, request, descriptors):
        server = self._hooks.server
        worker = server.WORKERS.pop(request["pid"], None)
        if worker is None:
            # A fork server before this one has forked it.
            worker = new_worker(self._settings, server)
            worker.pid = request["pid"]
        self._call("child_exit", server, worker)
        return "done"

    def _call(self, name, *arguments):
        """Calls a hook. Its exception ends the server, as in gunicorn."""
        try:
            self._hooks.call(name, *arguments)
        except SystemExit as error:
            code = error.code
            if code is not None and not isinstance(code, int):
                print(code, file=sys.stderr)
            raise Interrupted({"exited": 0 if code is None else code & 0xFF if isinstance(code, int) else 1}) from None
        except BaseException as error:
            self._hooks.server.log.exception("the server hook %s raised", name)
            raise Interrupted({"raised": describe(error)}) from None

    def _fork(self, request, descriptors):
        server, settings = self._hooks.server, request["bootstrap"]["settings"]
        for listener, descriptor in zip(settings["sockets"], descriptors):
            listener["fd"] = descriptor
        scoreboard, *access = descriptors[len(settings["sockets"]) :]
        if settings.get("access_log"):
            settings["access_log"]["fd"] = access[0]
        server.worker_age = settings["age"]
        worker = new_worker(settings, server)
        self._call("pre_fork", server, worker)
        try:
            pid = self._fork_child_of_arbiter()
        except OSError as error:
            return {"raised": describe(error)}
        if pid:
            worker.pid = pid
            server.WORKERS[pid] = worker
            return {"forked": pid}
        worker.pid = os.getpid()
        self._hooks.worker = worker
        self._become_worker(request["bootstrap"])
        return json.dumps(settings), scoreboard, self._hooks

    def _fork_child_of_arbiter(self):
        """Forks twice. The process in between ends at once, which makes its child a child of the arbiter, the nearest
        subreaper: the arbiter waits for its workers itself. Returns 0 in the worker, and its process id here."""
        # A signal that is handled here is lost, a blocked one waits: the arbiter may stop the worker as soon as it knows it.
        signal.pthread_sigmask(signal.SIG_BLOCK, ARBITERS_SIGNALS)
        sys.stdout.flush()
        sys.stderr.flush()
        (number, announce), (go, let_go) = os.pipe(), os.pipe()
        try:
            between = os.fork()
            if between == 0:
                try:
                    pid = os.fork()
                except OSError as error:
                    os.write(announce, f"-{error.errno}".encode())
                    os._exit(0)
                if pid:
                    os.write(announce, str(pid).encode())
                    os._exit(0)
                os.close(let_go)
                # Until then, this process is not yet a child of the arbiter.
                if os.read(go, 1) != b"!":
                    os._exit(BOOT_ERROR)
                return 0
            os.close(announce)
            announce = None
            pid = int(os.read(number, 32) or b"-1")
            os.waitpid(between, 0)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
            os.write(let_go, b"!")
            return pid
        finally:
            for descriptor in (number, announce, go, let_go):
                close_quietly(descriptor)
            if os.getpid() == self._pid:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ARBITERS_SIGNALS)

    def _become_worker(self, bootstrap):
        self._control.close()
        for number, disposition in self._dispositions.items():
            signal.signal(number, disposition)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ARBITERS_SIGNALS)
        set_process_title(bootstrap["name"])
        try:
            take_identity(**bootstrap["identity"])
        except OSError as error:
            print(f"lab_wsgi: the worker cannot boot: cannot take its user and group: {error}", file=sys.stderr)
            sys.exit(BOOT_ERROR)


def ignore(number, frame):
    pass


def close_quietly(descriptor):
    if descriptor is None:
        return
    try:
        os.close(descriptor)
    except OSError:
        # The worker has closed its copy.
        pass


def describe(error):
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def take_identity(user, group, initgroups):
    """Changes the user and groups of this process, as process/identity.rs of lab-serve does."""
    is_other = user != os.geteuid() or group != os.getegid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = None
    if initgroups and name:
        os.initgroups(name, group)
    elif is_other and os.geteuid() == 0:
        os.setgroups([group])
    if group != os.getegid():
        os.setgid(group)
    if user != os.geteuid():
        os.setuid(user)


def set_process_title(title):
    """Replaces the last argument of this process, which `ps` shows, by writing over it where the kernel put it. A failure
    leaves the fork server's title."""
    try:
        with open("/proc/self/stat", encoding="utf-8") as stat:
            end = int(stat.read().rpartition(") ")[2].split()[46])  # arg_end of proc(5)
        before = os.fsencode(sys.argv[1])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            start = end - len(before) - 1
            memory.seek(start)
            if memory.read(len(before)) != before:
                return
            memory.seek(start)
            memory.write(os.fsencode(title)[: len(before)].ljust(len(before), b"\0"))
    except (OSError, ValueError, IndexError):
        pass


def main():
    # The socket gets a number of its own, for hooks and the application may read standard input.
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    worker = ForkServer(control).run()
    return 0 if worker is None else run_worker(*worker)


if __name__ == "__main__":
    # Under its own name, to which warnings about this module belong.
    from lab_wsgi import fork_server

    sys.exit(fork_server.main())
