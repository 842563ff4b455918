# lab: accepted
syslog = True
syslog_addr = "unix:///dev/log#dgram"
syslog_facility = "local1"
syslog_prefix = "shop"
disable_redirect_access_to_syslog = True
