bind = ['127.0.0.1:8000', 'unix:/tmp/ckan.sock']  # finds socket-in-tmp
workers = 3
timeout = 120
capture_output = True
secret = None
def worker_exit(server, worker):
    from ckan import model
    model.Session.remove()
