# lab: refused worker_class
worker_class = "uvicorn_worker.UvicornWorker"
workers = 4
