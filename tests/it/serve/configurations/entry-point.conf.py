# lab: accepted
worker_class = "egg:gunicorn#gthread"
threads = 2
loglevel = "warn"
