# lab: refused worker_class
worker_class = "egg:meinheld#gunicorn_worker"
