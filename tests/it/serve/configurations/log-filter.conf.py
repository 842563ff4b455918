# lab: accepted
import logging

accesslog = "-"


class HealthCheckFilter(logging.Filter):
    def filter(self, record):
        return "/healthz" not in record.getMessage()


def on_starting(server):
    logging.getLogger("gunicorn.access").addFilter(HealthCheckFilter())
