"""Pyramid's hello application."""

from pyramid.config import Configurator
from pyramid.response import Response


def hello(request):
    return Response("Hello, World!")


def form(request):
    return Response(f"Hello, {request.POST['name']}!")


with Configurator() as config:
    config.add_route("hello", "/")
    config.add_route("form", "/form")
    config.add_view(hello, route_name="hello")
    config.add_view(form, route_name="form")
    app = config.make_wsgi_app()
