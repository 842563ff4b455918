"""Applications to be found by their strings."""

from types import SimpleNamespace


def answering(text):
    def answer(environ, start_response):
        start_response("200 OK", [])
        return [text.encode()]

    return answer


application = answering("application")
app = answering("app")
number = 7


def create_app(*positional, **named):
    return answering(f"made of {positional} {named}")


def two(first, second):
    return app


def raises():
    raise ValueError("out of coffee")


holder = SimpleNamespace(
    inner=SimpleNamespace(app=answering("attribute")), make=lambda number: answering(f"made by {number}")
)
