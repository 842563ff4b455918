import gunicorn
import gunicorn.app.wsgiapp  # finds gunicorn-module-not-provided
from gunicorn import SERVER_SOFTWARE, glogging
from gunicorn import util  # finds gunicorn-module-not-provided
from gunicorn.app.base import BaseApplication  # finds gunicorn-module-not-provided
from gunicorn.glogging import Logger
from gunicorn.instrument.statsd import Statsd
from gunicorn.workers.base import Worker
from gunicorn.workers.geventlet import EventletWorker  # finds gunicorn-module-not-provided


class OwnLogger(Logger):
    pass


def application(environ, start_response):
    socket = environ.get("gunicorn.socket")
    if "wsgi.early_hints" in environ:  # finds gunicorn-variable-not-provided
        environ["wsgi.errors"].write("early")
    start_response("200 OK", [("X-Socket", str(socket))])
    return [environ["wsgi.url_scheme"].encode()]
