"""Django's hello application, in one file."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["a"], SECRET_KEY="for tests")
django.setup()


def hello(request):
    return HttpResponse("Hello, World!")


def form(request):
    return HttpResponse(f"Hello, {request.POST['name']}!")


urlpatterns = [path("", hello), path("form", form)]
app = get_wsgi_application()
