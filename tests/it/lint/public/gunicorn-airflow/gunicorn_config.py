import setproctitle
from airflow import settings
def post_worker_init(_):
    old_title = setproctitle.getproctitle()
    setproctitle.setproctitle(settings.GUNICORN_WORKER_READY_PREFIX + old_title)
def on_starting(server):
    pass
