# lab: accepted
# env: DEBUG=1
import os

bind = "127.0.0.1:8000"
reload = bool(os.environ.get("DEBUG"))
reload_extra_files = ["shop.py"]
loglevel = "debug" if reload else "info"
timeout = 0 if reload else 30
