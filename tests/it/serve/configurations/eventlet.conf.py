# lab: refused worker_class
worker_class = "eventlet"
workers = 1
worker_connections = 1000
