"""The article's hello, by itself: what Flask takes in memory is not the servers'."""

from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello():
    return "Hello World!"
