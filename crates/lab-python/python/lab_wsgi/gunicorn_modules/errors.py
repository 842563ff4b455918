"""``gunicorn.errors``: the exceptions that hooks raise."""


class HaltServer(BaseException):
    def __init__(self, reason, exit_status=1):
        self.reason = reason
        self.exit_status = exit_status

    def __str__(self):
        return f"<HaltServer {self.reason!r} {self.exit_status}>"


class ConfigError(Exception):
    """A mistake in the configuration."""


class AppImportError(Exception):
    """The application cannot be loaded."""
