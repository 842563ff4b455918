# lab: accepted
import os

statsd_host = os.environ.get("STATSD_HOST", "localhost") + ":8125"
statsd_prefix = "shop.web"
dogstatsd_tags = "service:shop,env:production"
logger_class = "gunicorn.instrument.statsd.Statsd"
