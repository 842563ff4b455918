"""``gunicorn.workers.ggevent``: a name for annotations in hooks."""

from .base import Worker


class GeventWorker(Worker):
    """The type that hooks name for ``worker``."""
