bind = "unix:/tmp/shop.sock"  # finds socket-in-tmp
umask = 0o077  # finds socket-not-shared
reload = True  # finds reload
workers = 1
threads = 4  # finds one-process
raw_env = ["LANG=C.UTF-8", "SECRET_KEY=k3yk3y"]  # finds secret-in-code
