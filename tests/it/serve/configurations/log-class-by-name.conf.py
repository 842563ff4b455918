# lab: accepted
logger_class = "shop_logging.GunicornLogger"
loglevel = "debug"
