# lab: refused worker_class
worker_class = "shop.workers.GeventWebSocketWorker"
