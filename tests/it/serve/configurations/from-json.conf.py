# lab: accepted
import json

globals().update(json.loads('{"workers": 2, "threads": 4, "worker_class": "gthread", "bind": ["127.0.0.1:8001"]}'))
