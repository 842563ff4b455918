# lab: accepted
from shop_base import *  # noqa

workers = workers + 1
