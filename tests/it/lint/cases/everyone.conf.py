workers = 2
bind = ["127.0.0.1:8000", "0.0.0.0:8001"]  # finds bind-everywhere
forwarded_allow_ips = "*"  # finds forwarded-from-everyone
proxy_allow_ips = ["10.0.0.1"]
