import os
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

def create_app(test_config=None):
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY="dev",
        DATABASE=os.path.join(app.instance_path, "flaskr.sqlite"),
    )
    if test_config is None:
        app.config.from_pyfile("config.py", silent=True)
    else:
        app.config.update(test_config)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # finds proxyfix-trust-unsaid

    @app.route("/hello")
    def hello():
        return "Hello, World!"
    return app

if __name__ == "__main__":
    create_app().run(debug=True)
