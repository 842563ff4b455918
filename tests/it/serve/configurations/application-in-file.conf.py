# lab: accepted
wsgi_app = "shop:app"
default_proc_name = "shop"
initgroups = False
reuse_port = True
