"""``gunicorn.workers.gthread``: a name for annotations in hooks."""

from .base import Worker


class ThreadWorker(Worker):
    """The type that hooks name for ``worker``."""
