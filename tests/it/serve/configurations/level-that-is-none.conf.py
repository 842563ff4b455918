# lab: accepted
loglevel = "verbose"
accesslog = "-"
