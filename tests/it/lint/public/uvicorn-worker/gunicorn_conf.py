from multiprocessing import cpu_count

bind = "unix:/home/demo/fastapi_demo/gunicorn.sock"
workers = cpu_count() + 1
worker_class = "uvicorn.workers.UvicornWorker"
loglevel = "debug"
accesslog = "/home/demo/fastapi_demo/access_log"
errorlog = "/home/demo/fastapi_demo/error_log"
