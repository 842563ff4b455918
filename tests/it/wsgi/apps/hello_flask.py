"""Flask's hello application."""

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, World!"


@app.post("/form")
def form():
    return f"Hello, {request.form['name']}!"
