# lab: accepted
sendfile = False
workers = 2
