# lab: refused worker_class
from gunicorn.workers.sync import SyncWorker


class QuietWorker(SyncWorker):
    def handle_error(self, req, client, addr, exc):
        pass


worker_class = QuietWorker
