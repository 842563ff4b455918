"""Sends lab each request as the application sees it, after middleware such as ProxyFix.

The application gets the objects that the server made, and the server gets those that the application made.
"""
import io
import json
import os
import socket
import sys

DEFAULT_PORTS = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}


def wsgi(app, name):
    def observed(environ, start_response):
        # Middleware changes the environ in place, so it is read after the call.
        try:
            return app(environ, start_response)
        finally:
            send_view(name, wsgi_view, environ)

    return observed


def asgi(app, name):
    async def observed(scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await app(scope, receive, send)
        is_sent = False

        def send_once():
            nonlocal is_sent
            if not is_sent:
                is_sent = True
                send_view(name, asgi_view, scope)

        async def observed_send(message):
            send_once()
            await send(message)

        try:
            return await app(scope, receive, observed_send)
        finally:
            send_once()

    return observed


def send_view(name, view, request):
    try:
        message = view(request)
    except Exception as error:
        message = {"error": f"the request cannot be described: {error!r}"}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            send(sender, name, json.dumps(message).encode())
    except OSError:
        # The check says that nothing arrived.
        pass


def send(sender, name, message):
    if not name.startswith("/"):
        sender.sendto(message, b"\0" + name.encode())
        return
    # The path may be longer than the address of a socket can be.
    folder = os.open(os.path.dirname(name), os.O_PATH)
    try:
        sender.sendto(message, f"/proc/self/fd/{folder}/{os.path.basename(name)}")
    finally:
        os.close(folder)


def described(remote_addr, scheme, host, root_path, path, query_string):
    port = DEFAULT_PORTS.get(scheme, "")
    host = host[: -len(port)] if port and host.endswith(port) else host
    return {
        "remote_addr": remote_addr or "",
        "scheme": scheme,
        "host": host,
        "root_path": root_path,
        "path": path,
        "query_string": query_string,
        "url_root": f"{scheme}://{host}{root_path}/",
    }


def django_request(interface, *arguments):
    """Django's own request, if the application is Django's: its settings decide the scheme and the host."""
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    handlers = sys.modules.get(f"django.core.handlers.{interface.lower()}")
    if handlers is None or settings is None or not settings.configured:
        return None
    return getattr(handlers, f"{interface}Request")(*arguments)


def with_django(request, scheme, host):
    if request is None:
        return scheme, host
    try:
        return request.scheme, request.get_host()
    except Exception:
        # A host that is not allowed: the response says so.
        return request.scheme, host


def wsgi_view(environ):
    def text(key):
        return environ.get(key, "").encode("latin-1").decode("utf-8", "replace")

    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    scheme, host = with_django(django_request("WSGI", environ), environ["wsgi.url_scheme"], host)
    path = "/" + text("PATH_INFO").lstrip("/")
    return described(
        environ.get("REMOTE_ADDR"), scheme, host, text("SCRIPT_NAME").rstrip("/"), path, environ.get("QUERY_STRING", "")
    )


def asgi_view(scope):
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
    server = scope.get("server") or ("", None)
    host = hosts[0] if hosts else (server[0] if server[1] is None else f"{server[0]}:{server[1]}")
    scheme = scope.get("scheme", "http")
    if scope["type"] == "http":
        scheme, host = with_django(django_request("ASGI", scope, io.BytesIO()), scheme, host)
    root_path = scope.get("root_path", "").rstrip("/")
    path = scope["path"]
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        path = path[len(root_path):] or "/"
    client = scope.get("client") or ("",)
    return described(client[0], scheme, host, root_path, path, scope.get("query_string", b"").decode("latin-1"))
