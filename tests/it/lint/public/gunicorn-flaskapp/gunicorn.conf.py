import os
from dotenv import load_dotenv
load_dotenv()
wsgi_app = "app:create_app()"
bind = os.getenv("GUNICORN_BIND", "unix:/run/app/app.sock")
umask = 0o007
workers = int(os.getenv("WEB_CONCURRENCY", "4"))
worker_class = "gthread"
threads = 8
keepalive = 75
timeout = 60
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
accesslog = "-"
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
logconfig_dict = {"version": 1, "disable_existing_loggers": False}
def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
