"""Needs what is not there."""

import not_installed

app = not_installed.app
