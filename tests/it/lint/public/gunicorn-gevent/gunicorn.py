import gevent.monkey
gevent.monkey.patch_all()
bind = ["0.0.0.0:8000", "[::]:8000"]  # finds bind-everywhere
worker_class = "gevent"
worker_connections = 1000
workers = 3
keepalive = 2
errorlog = "/var/log/app/error.log"
capture_output = True
proxy_protocol = True
proxy_allow_ips = "10.0.0.0/8"
