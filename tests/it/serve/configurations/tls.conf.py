# lab: accepted
import ssl

bind = "0.0.0.0:8443"
certfile = "/etc/ssl/certs/shop.crt"
keyfile = "/etc/ssl/private/shop.key"
ca_certs = "/etc/ssl/certs/ca.crt"
cert_reqs = ssl.CERT_REQUIRED
ssl_version = ssl.PROTOCOL_TLS_SERVER
do_handshake_on_connect = True
suppress_ragged_eofs = True
