"""Tells where it is."""

import os
import sys


def app(environ, start_response):
    start_response("200 OK", [])
    return [" ".join([os.getcwd(), sys.path[0], sys.path[1], os.environ["LAB_TEST"]]).encode()]
