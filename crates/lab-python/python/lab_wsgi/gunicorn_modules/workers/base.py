"""``gunicorn.workers.base``: a name for annotations in hooks."""


class Worker:
    """The type that hooks name for ``worker``."""
