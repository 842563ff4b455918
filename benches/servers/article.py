"""The application of the 2011 deployment: a template behind ProxyFix, about 300 us of Python for each request."""

from flask import Flask, render_template_string
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)


@app.route("/")
def home():
    return render_template_string("<h1>Hello World</h1>")


app.wsgi_app = ProxyFix(app.wsgi_app)
