# lab: accepted
from os import path

bind = "unix:/run/shop/gunicorn.sock"
pidfile = "/run/shop/gunicorn.pid"
umask = 0o007
user = "nobody"
group = None
workers = 3
accesslog = "/var/log/shop/access.log"
errorlog = "/var/log/shop/error.log"
access_log_format = '%({X-Forwarded-For}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s'
pythonpath = path.dirname(path.abspath(__file__))
