from django.contrib import admin
from django.urls import include, path

from books import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("books/", include("books.urls")),
    path("", views.home),
]
