from werkzeug.contrib.fixers import ProxyFix  # finds proxyfix-import-removed


def make(app):
    app.wsgi_app = ProxyFix(app.wsgi_app, num_proxies=1)  # finds proxyfix-num-proxies-removed
    app.wsgi_app = ProxyFix(app.wsgi_app)  # finds proxyfix-trust-unsaid
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0)
    return app
