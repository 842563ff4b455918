"""The Python gateway of lab's app server. ``python -m lab_wsgi`` is a worker, which ``lab serve`` starts."""

from ._lab_wsgi import BodyError, FileWrapper, __version__

__all__ = ["BodyError", "FileWrapper", "__version__"]
