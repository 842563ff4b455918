"""Loads the application that an application string names, as in gunicorn: ``module``, ``module:name``,
``module:name.attribute`` or ``module:factory("literals", only=True)``; or the one of a PasteDeploy file."""

import ast
import importlib
import os
import re
import sys

# What lab puts in front of the file in the setting ``paste``.
_PASTE = "paste:"


class ApplicationError(Exception):
    """The string names no application. A replacement of the worker would fail as well."""


def load(text, paste_global_conf=()):
    """Loads the WSGI application that ``text`` names. Exceptions of its module are passed on."""
    if text.startswith(_PASTE):
        return _load_paste(text[len(_PASTE) :], paste_global_conf)
    module_name, _, expression = text.partition(":")
    expression = expression or "application"
    names, arguments = _parse(expression)
    found = _import(module_name, expression)
    for depth, name in enumerate(names):
        owner = ".".join([module_name, *names[:depth]])
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ApplicationError(f"{owner!r} has no attribute {name!r}{_suggestion(found)}") from None
    if arguments is not None:
        found = _call(found, expression, *arguments)
    if not callable(found):
        raise ApplicationError(f"{text!r} is {_article(type(found).__name__)}, which cannot be called")
    return found


def _load_paste(uri, assignments):
    """Loads the application in a PasteDeploy file, ``FILE`` or ``FILE#NAME``, with its global settings, ``NAME=VALUE``."""
    try:
        from paste.deploy import loadapp
    except ImportError:
        raise ApplicationError(
            f"{sys.executable} has no PasteDeploy, which reads such files\n"
            f"hint: install it with `{sys.executable} -m pip install PasteDeploy`"
        ) from None
    # An equals sign in a name or value has a backslash before it.
    pairs = [re.split(r"(?<!\\)=", assignment, maxsplit=1) for assignment in assignments]
    global_conf = {name.replace("\\=", "="): value.replace("\\=", "=") for name, value in pairs}
    return loadapp(f"config:{uri}", relative_to=os.getcwd(), global_conf=global_conf)


def _parse(expression):
    """Splits an expression into its dotted names and, if it is a call, its arguments."""
    wanted = "a name such as app, api.app, or create_app(\"literals\", only=True)"
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise ApplicationError(f"{expression!r} is not {wanted}") from None
    arguments = None
    if isinstance(node, ast.Call):
        try:
            positional = [ast.literal_eval(argument) for argument in node.args]
            named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
        except ValueError:
            raise ApplicationError(f"the arguments in {expression!r} are not literals") from None
        if None in named:
            raise ApplicationError(f"the arguments in {expression!r} are not literals")
        arguments = positional, named
        node = node.func
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ApplicationError(f"{expression!r} is not {wanted}")
    return [node.id, *names], arguments


def _import(module_name, expression):
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if module_name.endswith(".py") and os.path.exists(module_name):
            raise ApplicationError(
                f"{module_name!r} is a file; did you mean {module_name[:-3].replace(os.sep, '.')}:{expression}?"
            ) from None
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise ApplicationError(
            f"there is no module {error.name!r} in {os.getcwd()} or elsewhere on the path\n"
            "hint: --chdir or --pythonpath name the folder it is in, --venv the environment"
        ) from None


def _call(factory, expression, positional, named):
    if not callable(factory):
        raise ApplicationError(f"{expression!r} calls {_article(type(factory).__name__)}, which cannot be called")
    try:
        return factory(*positional, **named)
    except TypeError as error:
        # Without a frame of the function, the call itself failed: the arguments do not match.
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise ApplicationError(str(error)) from None
        raise


def _suggestion(module):
    callables = [name for name in ("app", "application", "create_app", "make_app") if hasattr(module, name)]
    return f"; did you mean {' or '.join(callables)}?" if callables else ""


def _article(type_name):
    return f"{'an' if type_name[:1].lower() in 'aeiou' else 'a'} {type_name}"
