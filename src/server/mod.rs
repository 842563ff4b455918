//! The app server: the gunicorn twin.
