"""``gunicorn.workers``: names for annotations in hooks. lab has its own workers; other classes are refused."""
