# lab: refused loglevel
loglevel = "verbose"
accesslog = "-"
