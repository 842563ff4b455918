# lab: accepted
import multiprocessing
import os

bind = os.getenv("BIND", "0.0.0.0:80")
workers_per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
web_concurrency = os.getenv("MAX_WORKERS")
workers = max(int(workers_per_core * multiprocessing.cpu_count()), 2)
if web_concurrency:
    workers = min(workers, int(web_concurrency))
worker_tmp_dir = "/dev/shm"
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))
loglevel = os.getenv("LOG_LEVEL", "info")
errorlog = os.getenv("ERROR_LOG", "-") or None
accesslog = os.getenv("ACCESS_LOG", "-") or None
