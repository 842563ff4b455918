"""Settings of the production server."""

import multiprocessing
import os
from typing import Optional

max_workers_per_core: float = float(os.getenv("WORKERS_PER_CORE", "1"))

bind: str = "127.0.0.1:8000"
workers: int = max(int(max_workers_per_core * multiprocessing.cpu_count()), 2)
worker_class: str = "sync"
keepalive: int = 5
loglevel: str = os.getenv("LOG_LEVEL", "info")
accesslog: Optional[str] = "-"

if os.getenv("USE_THREADS"):
    worker_class = "gthread"
    threads = 8


def get_worker_count() -> int:
    return workers


def when_ready(server):
    server.log.info("%d workers", get_worker_count())


def post_fork(server, worker):
    worker.log.info("forked")
