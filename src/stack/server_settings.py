# Written by lab: executes a gunicorn.conf.py, and replaces what belongs to the server that it is for.
def _execute(path, access_log, cwd, identity):
    import os

    settings = globals()
    # Tracebacks and the file itself have its own path.
    settings["__file__"] = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), settings)

    def is_file(name):
        value = settings.get(name)
        return isinstance(value, (str, os.PathLike)) and str(value) not in ("", "-")

    if is_file("errorlog"):
        # lab keeps what servers print.
        settings["errorlog"] = "-"
    if is_file("accesslog"):
        settings["accesslog"] = access_log
    if is_file("chdir") and not os.path.isdir(settings["chdir"]):
        settings["chdir"] = cwd
    if settings.get("daemon"):
        settings["daemon"] = False
    for name, own in zip(("user", "group"), identity or ()):
        if settings.get(name) is not None:
            settings[name] = own
