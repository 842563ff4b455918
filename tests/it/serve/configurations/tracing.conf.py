# lab: refused spew
import os

spew = os.environ.get("SPEW", "1") == "1"
