"""A small shop: pages, a login with a session, an upload, a database."""
import os
import sqlite3

from flask import Flask, g, redirect, render_template, request, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix


def create_app(database=None):
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=1024 * 1024,
    )
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)
    path = database or ":memory:"

    def connection():
        if "database" not in g:
            g.database = sqlite3.connect(path)
            g.database.execute("CREATE TABLE IF NOT EXISTS items (name TEXT)")
        return g.database

    @app.teardown_appcontext
    def close(_):
        database = g.pop("database", None)
        if database is not None:
            database.close()

    @app.get("/")
    def home():
        items = connection().execute("SELECT name FROM items").fetchall()
        return render_template("home.html", items=items, user=session.get("user"))

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "POST":
            session["user"] = request.form["user"]
            return redirect(url_for("home"))
        return render_template("login.html")

    @app.post("/upload")
    def upload():
        file = request.files["file"]
        return {"name": file.filename, "size": len(file.read())}

    @app.get("/items/<int:number>")
    def item(number):
        return {"number": number}

    return app
