bind = "unix:/home/app/run/gunicorn.sock"
umask = 0
workers = 3
user = "app"
group = "www-data"
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-Forwarded-Proto": "https"}
limit_request_fields = 50
raw_env = ["DJANGO_SETTINGS_MODULE=shop.settings.production", "LANG=en_US.UTF-8"]
