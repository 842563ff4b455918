# lab: accepted
preload_app = True
workers = 4
threads = 2
