"""The Python gateway of lab's app server. ``python -m lab_wsgi`` is a worker; ``lab serve`` starts it."""

from ._lab_wsgi import BodyError, FileWrapper, __version__

__all__ = ["BodyError", "FileWrapper", "__version__"]
