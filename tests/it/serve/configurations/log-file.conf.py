# lab: accepted
import os

logconfig = os.path.join(os.path.dirname(__file__), "logging.ini")
workers = 2
