from werkzeug.middleware.proxy_fix import ProxyFix


def outer(app):
    return ProxyFix(app, x_for=1, x_proto=1)  # finds fewer-hops-trusted


def right(app):
    return ProxyFix(app, x_for=2, x_proto=1)
