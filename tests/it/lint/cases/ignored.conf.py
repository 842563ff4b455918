import multiprocessing
import os

log_level = "info"  # finds setting-ignored
preload = True  # finds setting-ignored
keepallive = 5  # finds setting-ignored
loglevel = "warn"  # finds unknown-log-level
timeout: 60  # finds setting-ignored
graceful_timeout: int = 30
max_worker = 4
workers = min(multiprocessing.cpu_count(), max_worker)
worker_class = "sync"
if os.environ.get("THREADS"):
    worker_class = "gthread"
    threads = int(os.environ["THREADS"])
bind = "127.0.0.1:8000"


def on_start(server):  # finds setting-ignored
    pass


def post_fork(server, worker):
    prepare(worker)


def prepare(worker):
    pass
