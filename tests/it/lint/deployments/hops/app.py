from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=2, x_proto=1)  # finds more-hops-trusted


def right(app):
    return ProxyFix(app, x_for=1, x_proto=1)


def none(app):
    return ProxyFix(app, x_for=0, x_proto=1)
