# lab: refused worker_class
import multiprocessing
import os

bind = "0.0.0.0:80"
workers = multiprocessing.cpu_count()
worker_class = os.getenv("WORKER_CLASS", "uvicorn.workers.UvicornWorker")
