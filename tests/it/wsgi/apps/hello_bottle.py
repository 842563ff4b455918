"""Bottle's hello application."""

from bottle import Bottle, request

app = Bottle()


@app.get("/")
def hello():
    return "Hello, World!"


@app.post("/form")
def form():
    return f"Hello, {request.forms.name}!"
