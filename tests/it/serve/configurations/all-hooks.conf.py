# lab: accepted
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker


def on_starting(server: Arbiter) -> None:
    server.log.info("starting")


def on_reload(server: Arbiter) -> None:
    server.log.info("reloading")


def pre_request(worker: Worker, req) -> None:
    worker.log.debug("%s %s", req.method, req.path)


def post_request(worker: Worker, req, environ, resp) -> None:
    worker.log.debug("%s", resp.status)


def post_worker_init(worker: Worker) -> None:
    worker.log.info("initialized")


def nworkers_changed(server: Arbiter, new_value: int, old_value) -> None:
    server.log.info("%s workers", new_value)


def on_exit(server: Arbiter) -> None:
    server.log.info("bye")
