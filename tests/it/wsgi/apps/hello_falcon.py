"""Falcon's hello application."""

import falcon


class Hello:
    def on_get(self, request, response):
        response.text = "Hello, World!"

    def on_post(self, request, response):
        response.text = f"Hello, {request.get_media()['name']}!"


app = falcon.App()
app.add_route("/", Hello())
app.add_route("/form", Hello())
