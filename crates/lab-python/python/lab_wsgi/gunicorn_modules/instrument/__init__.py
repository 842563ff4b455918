"""``gunicorn.instrument``."""
