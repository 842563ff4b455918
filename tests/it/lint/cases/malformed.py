application = 1
assert application ==  # finds file-not-read
