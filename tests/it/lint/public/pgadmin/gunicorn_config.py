import gunicorn
gunicorn.SERVER_SOFTWARE = 'Python'
JSON_LOGGER = False
bind = '0.0.0.0:80'  # finds bind-everywhere
workers = 1
threads = 25  # finds one-process
limit_request_line = 8190
timeout = 86400
