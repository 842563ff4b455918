"""gunicorn's settings for the shop."""
bind = "unix:/run/shop/shop.sock"
workers = 2
timeout = 30
accesslog = None


def post_fork(server, worker):
    server.log.info("worker %s is ready", worker.pid)
