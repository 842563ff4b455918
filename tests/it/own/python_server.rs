//! A server kind that needs no environment: Python's own, one process, any WSGI application.

pub(crate) const KIND: &str = r#"
schema = 1
role   = "server"
title  = "Python's own server"

[install]
pip = []

[version]
command = ["{python}", "-c", "print('own 1.0')"]
matches = 'own ([0-9.]+)'

[start]
command  = ["{python}", "{launcher}", "{host}", "{port}"]
launcher = "own.py"
wsgi     = ["{module}", "{callable}"]

[cannot]
workers = "it is one process"
"#;

pub(crate) const LAUNCHER: &str = r#"
import importlib, sys
from wsgiref.simple_server import make_server

host, port, module, name = sys.argv[1:]
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"#;
