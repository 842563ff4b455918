# lab: refused worker_class
bind = "0.0.0.0:8080"
worker_class = "aiohttp.GunicornUVLoopWebWorker"
