import os

INSTALLED_APPS = ["books"]
DEBUG = True  # finds debug
SECRET_KEY = "django-insecure-abcdef"  # finds secret-in-code
DB_PASSWORD = os.environ["DB_PASSWORD"]
EMAIL_HOST_PASSWORD = ""
AUTH_PASSWORD_VALIDATORS = []
