"""``gunicorn.http.wsgi``: a name for annotations in hooks and logger classes."""


class Response:
    """The type that hooks name for ``resp``."""
