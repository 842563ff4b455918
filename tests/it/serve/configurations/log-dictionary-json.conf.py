# lab: accepted
import json
import logging


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "logger": record.name, "message": record.getMessage()})


accesslog = "-"
logconfig_dict = dict(
    version=1,
    formatters={"json": {"()": JsonFormatter}},
    handlers={"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    root={"handlers": ["console"], "level": "INFO"},
    loggers={name: {"handlers": ["console"], "propagate": False} for name in ("gunicorn.error", "gunicorn.access")},
)
