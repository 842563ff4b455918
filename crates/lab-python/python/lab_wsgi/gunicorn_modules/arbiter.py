"""``gunicorn.arbiter``: a name for annotations in hooks."""


class Arbiter:
    """The type that hooks name for ``server``."""
