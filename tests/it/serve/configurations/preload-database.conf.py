# lab: accepted
import os

preload_app = os.environ.get("PRELOAD", "true") == "true"
workers = 2


def post_fork(server, worker):
    from shop import app

    getattr(app, "engine_dispose", lambda: None)()


def worker_exit(server, worker):
    server.log.info("worker %s is gone", worker.pid)
