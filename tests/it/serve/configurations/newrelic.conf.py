# lab: accepted
try:
    import newrelic.agent
except ImportError:
    newrelic = None
else:
    newrelic.agent.initialize("newrelic.ini")

workers = 3


def post_worker_init(worker):
    if newrelic:
        newrelic.agent.register_application(timeout=10.0)
