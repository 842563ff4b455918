# lab: refused syslog_addr, syslog_facility
syslog = True
syslog_addr = "logs.example.com:514"
syslog_facility = "web"
