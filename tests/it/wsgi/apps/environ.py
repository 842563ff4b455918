"""Tells its environ."""


def app(environ, start_response):
    environ["body"] = environ["wsgi.input"].read()
    told = {key: value for key, value in environ.items() if isinstance(value, (str, bytes, bool, tuple))}
    content = "\n".join(f"{key}={value!r}" for key, value in sorted(told.items())).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
