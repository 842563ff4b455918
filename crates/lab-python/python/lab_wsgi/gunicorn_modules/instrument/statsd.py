"""``gunicorn.instrument.statsd``: the logger class that also sends metrics, for subclasses that send their own."""

import logging
import socket

from ..glogging import Logger

METRIC_VAR, VALUE_VAR, MTYPE_VAR = "metric", "value", "mtype"
GAUGE_TYPE, COUNTER_TYPE, HISTOGRAM_TYPE, TIMER_TYPE = "gauge", "counter", "histogram", "timer"


class Statsd(Logger):
    """A logger that counts requests and log messages in statsd."""

    def __init__(self, cfg):
        super().__init__(cfg)
        prefix = (getattr(cfg, "statsd_prefix", None) or "").rstrip(".")
        self.prefix = prefix and prefix + "."
        self.dogstatsd_tags = getattr(cfg, "dogstatsd_tags", None)
        self.sock = _connect(getattr(cfg, "statsd_host", None))

    def critical(self, msg, *args, **kwargs):
        super().critical(msg, *args, **kwargs)
        self.increment("gunicorn.log.critical", 1)

    def error(self, msg, *args, **kwargs):
        super().error(msg, *args, **kwargs)
        self.increment("gunicorn.log.error", 1)

    def warning(self, msg, *args, **kwargs):
        super().warning(msg, *args, **kwargs)
        self.increment("gunicorn.log.warning", 1)

    def exception(self, msg, *args, **kwargs):
        super().exception(msg, *args, **kwargs)
        self.increment("gunicorn.log.exception", 1)

    def info(self, msg, *args, **kwargs):
        self.log(logging.INFO, msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        """Logs a message, and sends the metric in ``extra``, if there is one."""
        extra = kwargs.get("extra") or {}
        metric, value, kind = (extra.get(name) for name in (METRIC_VAR, VALUE_VAR, MTYPE_VAR))
        senders = {
            GAUGE_TYPE: self.gauge,
            COUNTER_TYPE: self.increment,
            HISTOGRAM_TYPE: self.histogram,
            TIMER_TYPE: self.timer,
        }
        if metric and value is not None and kind in senders:
            senders[kind](metric, value)
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        status = resp.status.decode() if isinstance(resp.status, bytes) else str(resp.status)
        self.timer("gunicorn.request.duration", request_time.total_seconds() * 1000)
        self.increment("gunicorn.requests", 1)
        self.increment(f"gunicorn.request.status.{status.split(None, 1)[0]}", 1)

    def gauge(self, name, value):
        self._send(f"{name}:{value}|g")

    def increment(self, name, value, sampling_rate=1.0):
        self._send(f"{name}:{value}|c|@{sampling_rate}")

    def decrement(self, name, value, sampling_rate=1.0):
        self._send(f"{name}:-{value}|c|@{sampling_rate}")

    def timer(self, name, value):
        self._send(f"{name}:{value}|ms")

    def histogram(self, name, value):
        self._send(f"{name}:{value}|h")

    def _send(self, metric):
        if self.sock is None:
            return
        tags = f"|#{self.dogstatsd_tags}" if self.dogstatsd_tags else ""
        try:
            self.sock.send(f"{self.prefix}{metric}{tags}".encode())
        except OSError:
            Logger.warning(self, "cannot send a metric to statsd", exc_info=True)


def _connect(address):
    """A socket connected to ``address``, a path or a host and a port; None if it cannot be reached."""
    if not address:
        return None
    if isinstance(address, str):
        family = socket.AF_UNIX
    else:
        address = tuple(address)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        connected = socket.socket(family, socket.SOCK_DGRAM)
        connected.connect(address)
    except OSError:
        return None
    return connected
