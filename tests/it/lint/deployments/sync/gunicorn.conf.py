bind = "127.0.0.1:8000"
workers = 4
keepalive = 1
timeout = 60
