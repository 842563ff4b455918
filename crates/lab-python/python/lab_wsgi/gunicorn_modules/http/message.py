"""``gunicorn.http.message``: a name for annotations in hooks and logger classes."""


class Request:
    """The type that hooks name for ``req``."""
