# lab: refused reload_engine
reload = True
reload_engine = "inotify"
