# lab: refused workers, timeout, raw_env
# gunicorn: refused
workers = "many"
timeout = -1
raw_env = {"NAME": "value"}
