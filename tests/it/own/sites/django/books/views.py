from django.http import JsonResponse
from django.shortcuts import render

from .models import Book


def home(request):
    return render(request, "books/home.html", {"count": Book.objects.count()})


def book(request, number):
    return JsonResponse({"number": number})
