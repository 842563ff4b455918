# lab: accepted
import os

bind = f"{os.environ.get('SUPERSET_BIND_ADDRESS', '0.0.0.0')}:{os.environ.get('SUPERSET_PORT', '8088')}"
accesslog = os.environ.get("ACCESS_LOG_FILE", "-")
errorlog = os.environ.get("ERROR_LOG_FILE", "-")
workers = int(os.environ.get("SERVER_WORKER_AMOUNT", 1))
worker_class = os.environ.get("SERVER_WORKER_CLASS", "gevent")
threads = int(os.environ.get("SERVER_THREADS_AMOUNT", 20))
timeout = int(os.environ.get("GUNICORN_TIMEOUT", 60))
keepalive = int(os.environ.get("GUNICORN_KEEPALIVE", 2))
max_requests = int(os.environ.get("WORKER_MAX_REQUESTS", 0))
max_requests_jitter = int(os.environ.get("WORKER_MAX_REQUESTS_JITTER", 0))
limit_request_line = int(os.environ.get("SERVER_LIMIT_REQUEST_LINE", 0))
limit_request_field_size = int(os.environ.get("SERVER_LIMIT_REQUEST_FIELD_SIZE", 0))
