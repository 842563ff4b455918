import os

bind = "unix:/run/shop/shop.sock"
umask = 0o007
reload = bool(os.environ.get("RELOAD"))
workers = 2
threads = 4
