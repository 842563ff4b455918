# lab: accepted
bind = ["127.0.0.1:8000", "[::1]:8000"]
forwarded_allow_ips = "10.0.0.0/8,127.0.0.1"
proxy_protocol = True
proxy_allow_ips = "10.0.0.0/8"
forwarder_headers = "SCRIPT_NAME,PATH_INFO,REMOTE_USER"
header_map = "drop"
limit_request_line = 8190
limit_request_fields = 200
limit_request_field_size = 16380
