"""``gunicorn.http``: names for annotations in hooks and logger classes."""

from .message import Request

__all__ = ["Request"]
