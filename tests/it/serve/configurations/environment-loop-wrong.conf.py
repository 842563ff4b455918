# lab: refused workers
# gunicorn: refused
# env: GUNICORN_WORKERS=many
import os

for name, value in os.environ.items():
    if name.startswith("GUNICORN_"):
        locals()[name.split("_", 1)[1].lower()] = value
