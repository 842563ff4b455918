# lab: accepted
worker_class = "gevent"


def post_fork(server, worker):
    from psycogreen.gevent import patch_psycopg

    patch_psycopg()
    worker.log.info("psycopg is green")
