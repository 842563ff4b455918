# lab: refused worker_class
worker_class = "tornado"
