# lab: refused protocol
bind = "127.0.0.1:3031"
protocol = "uwsgi"
