"""``gunicorn.workers.sync``: a name for annotations in hooks."""

from .base import Worker


class SyncWorker(Worker):
    """The type that hooks name for ``worker``."""
