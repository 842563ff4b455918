from prometheus_client import multiprocess
bind = "0.0.0.0:8000"  # finds bind-everywhere
workers = 4
worker_class = "uvicorn.workers.UvicornWorker"
max_requests = 1000
max_requests_jitter = 50
loglevel = "info"
def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
