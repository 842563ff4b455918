# lab: accepted
# env: GUNICORN_WORKERS=3 GUNICORN_ACCESSLOG=- GUNICORN_TIMEOUT=45
import os

for name, value in os.environ.items():
    if name.startswith("GUNICORN_"):
        locals()[name.split("_", 1)[1].lower()] = value
