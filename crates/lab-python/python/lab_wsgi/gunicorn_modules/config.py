"""``gunicorn.config``: a name for annotations in hooks and logger classes."""


class Config:
    """The type that logger classes name for ``cfg``."""
