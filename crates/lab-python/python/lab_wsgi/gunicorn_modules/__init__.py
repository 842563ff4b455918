"""``gunicorn``, as far as applications and configurations use it as a module. The finder in ``gunicorn_finder`` provides
it where gunicorn is not installed; it names the version whose settings and environ lab follows."""

version_info = (27, 0, 1)
__version__ = ".".join(map(str, version_info))
SERVER = "gunicorn"
SERVER_SOFTWARE = f"{SERVER}/{__version__}"
