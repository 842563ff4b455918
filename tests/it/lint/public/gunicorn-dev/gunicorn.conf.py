import os
reload = os.environ.get("FLASK_ENV") == "development"
bind = "127.0.0.1:8000"
workers = 2
graceful_timeout = 30
preload_app = True
raw_env = ["DJANGO_SETTINGS_MODULE=shop.settings.production"]
pidfile = "/run/gunicorn.pid"
user = "www-data"
group = "www-data"
tmp_upload_dir = None
limit_request_line = 8190
