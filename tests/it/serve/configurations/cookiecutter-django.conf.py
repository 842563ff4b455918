# lab: accepted
import multiprocessing

chdir = "."
bind = "0.0.0.0:5000"
workers = multiprocessing.cpu_count() * 2 + 1
name = "shop"
proc_name = "shop"
max_requests = 1000
max_requests_jitter = 100
loglevel = "INFO"
accesslog = "-"
errorlog = "-"
capture_output = True
enable_stdio_inheritance = True
raw_env = ["DJANGO_SETTINGS_MODULE=config.settings.production"]
