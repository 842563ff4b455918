//! Every directive that is accepted has an effect on the configuration, or is listed as one without.

use std::path::Path;

use lab_nginx_conf::{Support, compatibility};

use super::{ConfigPaths, read};

/// A directive, the block it is in, and two forms of it that mean different things.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("user", "main", "user root;", "user nobody;"),
    ("worker_processes", "main", "worker_processes 2;", "worker_processes 3;"),
    ("pid", "main", "pid a;", "pid b;"),
    ("daemon", "main", "daemon on;", "daemon off;"),
    ("master_process", "main", "worker_processes 2; master_process on;", "worker_processes 2; master_process off;"),
    ("worker_cpu_affinity", "main", "worker_cpu_affinity 01;", "worker_cpu_affinity 10;"),
    ("worker_shutdown_timeout", "main", "worker_shutdown_timeout 1s;", "worker_shutdown_timeout 2s;"),
    ("error_log", "main", "error_log a;", "error_log b;"),
    ("pcre_jit", "main", "pcre_jit on;", "pcre_jit off;"),
    ("worker_connections", "events", "worker_connections 10;", "worker_connections 20;"),
    ("use", "events", "use epoll;", ""),
    ("multi_accept", "events", "multi_accept on;", "multi_accept off;"),
    ("accept_mutex", "events", "accept_mutex on;", "accept_mutex off;"),
    ("log_format", "http", "log_format f '$uri'; access_log a f;", "log_format f '$host'; access_log a f;"),
    ("access_log", "location", "access_log a;", "access_log off;"),
    ("map", "http", "map $uri $v { default a; }", "map $uri $v { default b; }"),
    ("map_hash_max_size", "http", "map_hash_max_size 1k;", "map_hash_max_size 2k;"),
    ("map_hash_bucket_size", "http", "map_hash_bucket_size 64;", "map_hash_bucket_size 128;"),
    ("server_names_hash_max_size", "http", "server_names_hash_max_size 1k;", "server_names_hash_max_size 2k;"),
    ("server_names_hash_bucket_size", "http", "server_names_hash_bucket_size 64;", "server_names_hash_bucket_size 128;"),
    ("types_hash_max_size", "location", "types_hash_max_size 1k;", "types_hash_max_size 2k;"),
    ("types_hash_bucket_size", "location", "types_hash_bucket_size 64;", "types_hash_bucket_size 128;"),
    ("variables_hash_max_size", "http", "variables_hash_max_size 1k;", "variables_hash_max_size 2k;"),
    ("variables_hash_bucket_size", "http", "variables_hash_bucket_size 64;", "variables_hash_bucket_size 128;"),
    ("proxy_headers_hash_max_size", "location", "proxy_headers_hash_max_size 1k;", "proxy_headers_hash_max_size 2k;"),
    ("proxy_headers_hash_bucket_size", "location", "proxy_headers_hash_bucket_size 64;", "proxy_headers_hash_bucket_size 128;"),
    ("upstream", "http", "upstream x { server 127.0.0.1:3; }", "upstream x { server 127.0.0.1:4; }"),
    ("server", "http", "server { listen 127.0.0.1:5; }", "server { listen 127.0.0.1:6; }"),
    ("server", "upstream", "server 127.0.0.1:3;", "server 127.0.0.1:3 down;"),
    ("keepalive", "upstream", "keepalive 1;", "keepalive 2;"),
    ("keepalive_requests", "upstream", "keepalive_requests 1;", "keepalive_requests 2;"),
    ("keepalive_requests", "location", "keepalive_requests 1;", "keepalive_requests 2;"),
    ("keepalive_timeout", "upstream", "keepalive_timeout 1s;", "keepalive_timeout 2s;"),
    ("keepalive_timeout", "location", "keepalive_timeout 1s;", "keepalive_timeout 2s;"),
    ("keepalive_time", "upstream", "keepalive_time 1s;", "keepalive_time 2s;"),
    ("keepalive_time", "location", "keepalive_time 1s;", "keepalive_time 2s;"),
    ("listen", "server", "listen 127.0.0.1:7;", "listen 127.0.0.1:8;"),
    ("server_name", "server", "server_name a;", "server_name b;"),
    ("server_tokens", "location", "server_tokens on;", "server_tokens off;"),
    ("sendfile", "location", "sendfile on;", "sendfile off;"),
    ("tcp_nopush", "location", "tcp_nopush on;", "tcp_nopush off;"),
    ("tcp_nodelay", "location", "tcp_nodelay on;", "tcp_nodelay off;"),
    ("client_header_timeout", "server", "client_header_timeout 1s;", "client_header_timeout 2s;"),
    ("client_header_buffer_size", "server", "client_header_buffer_size 64k;", "client_header_buffer_size 128k;"),
    ("large_client_header_buffers", "server", "large_client_header_buffers 4 8k;", "large_client_header_buffers 4 9k;"),
    ("underscores_in_headers", "server", "underscores_in_headers on;", "underscores_in_headers off;"),
    ("ignore_invalid_headers", "server", "ignore_invalid_headers on;", "ignore_invalid_headers off;"),
    ("merge_slashes", "server", "merge_slashes on;", "merge_slashes off;"),
    ("client_body_timeout", "location", "client_body_timeout 1s;", "client_body_timeout 2s;"),
    ("client_max_body_size", "location", "client_max_body_size 1k;", "client_max_body_size 2k;"),
    ("send_timeout", "location", "send_timeout 1s;", "send_timeout 2s;"),
    ("lingering_close", "location", "lingering_close off;", "lingering_close always;"),
    ("lingering_time", "location", "lingering_time 1s;", "lingering_time 2s;"),
    ("lingering_timeout", "location", "lingering_timeout 1s;", "lingering_timeout 2s;"),
    ("resolver", "location", "resolver 127.0.0.1 valid=1s;", "resolver 127.0.0.1 valid=2s;"),
    ("resolver_timeout", "location", "resolver 127.0.0.1; resolver_timeout 1s;", "resolver 127.0.0.1; resolver_timeout 2s;"),
    ("absolute_redirect", "location", "absolute_redirect on;", "absolute_redirect off;"),
    ("port_in_redirect", "location", "port_in_redirect on;", "port_in_redirect off;"),
    ("server_name_in_redirect", "location", "server_name_in_redirect on;", "server_name_in_redirect off;"),
    ("location", "server", "location /a { }", "location /b { }"),
    ("internal", "location", "internal;", ""),
    ("root", "location", "root /a;", "root /b;"),
    ("alias", "location", "alias /a;", "alias /b;"),
    ("index", "location", "index a;", "index b;"),
    ("try_files", "location", "try_files /a =404;", "try_files /b =404;"),
    ("types", "location", "types { text/x a; }", "types { text/x b; }"),
    ("default_type", "location", "default_type text/a;", "default_type text/b;"),
    ("etag", "location", "etag on;", "etag off;"),
    ("if_modified_since", "location", "if_modified_since off;", "if_modified_since before;"),
    ("log_not_found", "location", "log_not_found on;", "log_not_found off;"),
    ("worker_rlimit_nofile", "main", "worker_rlimit_nofile 100;", "worker_rlimit_nofile 200;"),
    ("chunked_transfer_encoding", "location", "chunked_transfer_encoding on;", "chunked_transfer_encoding off;"),
    ("max_ranges", "location", "max_ranges 1;", "max_ranges 2;"),
    ("userid", "location", "userid on;", "userid v1;"),
    ("userid_name", "location", "userid on; userid_name a;", "userid on; userid_name b;"),
    ("userid_domain", "location", "userid on; userid_domain a;", "userid on; userid_domain b;"),
    ("userid_path", "location", "userid on; userid_path /a;", "userid on; userid_path /b;"),
    ("userid_expires", "location", "userid on; userid_expires 1d;", "userid on; userid_expires 2d;"),
    ("userid_p3p", "location", "userid on; userid_p3p a;", "userid on; userid_p3p b;"),
    ("userid_mark", "location", "userid on; userid_mark a;", "userid on; userid_mark b;"),
    ("userid_service", "location", "userid on; userid_service 1;", "userid on; userid_service 2;"),
    ("userid_flags", "location", "userid on; userid_flags secure;", "userid on; userid_flags httponly;"),
    ("mirror", "location", "mirror /a;", "mirror /b;"),
    ("mirror_request_body", "location", "mirror /a; mirror_request_body on;", "mirror /a; mirror_request_body off;"),
    ("sub_filter", "location", "sub_filter a b;", "sub_filter a c;"),
    ("sub_filter_once", "location", "sub_filter a b; sub_filter_once on;", "sub_filter a b; sub_filter_once off;"),
    ("sub_filter_last_modified", "location", "sub_filter a b; sub_filter_last_modified on;", "sub_filter a b; sub_filter_last_modified off;"),
    ("sub_filter_types", "location", "sub_filter a b; sub_filter_types text/a;", "sub_filter a b; sub_filter_types text/b;"),
    ("secure_link", "location", "secure_link $uri; secure_link_md5 a;", "secure_link $host; secure_link_md5 a;"),
    ("secure_link_md5", "location", "secure_link a; secure_link_md5 $uri;", "secure_link a; secure_link_md5 $host;"),
    ("secure_link_secret", "location", "secure_link_secret a;", "secure_link_secret b;"),
    ("expires", "location", "expires 1h;", "expires modified 1h;"),
    ("charset", "location", "charset utf-8;", "charset koi8-r;"),
    ("override_charset", "location", "override_charset on;", "override_charset off;"),
    ("charset_types", "location", "charset_types text/a;", "charset_types text/b;"),
    ("gzip", "location", "gzip on;", "gzip off;"),
    ("gzip_comp_level", "location", "gzip_comp_level 1;", "gzip_comp_level 9;"),
    ("gzip_min_length", "location", "gzip_min_length 10;", "gzip_min_length 30;"),
    ("gzip_types", "location", "gzip_types text/a;", "gzip_types text/b;"),
    ("gzip_vary", "location", "gzip_vary on;", "gzip_vary off;"),
    ("gzip_http_version", "location", "gzip_http_version 1.0;", "gzip_http_version 1.1;"),
    ("gzip_proxied", "location", "gzip_proxied any;", "gzip_proxied any auth;"),
    ("gzip_disable", "location", "gzip_disable msie6;", "gzip_disable mozilla;"),
    ("gzip_static", "location", "gzip_static on;", "gzip_static always;"),
    ("gunzip", "location", "gunzip on;", "gunzip off;"),
    ("limit_req_zone", "http", "limit_req_zone $uri zone=a:1m rate=1r/s;", "limit_req_zone $uri zone=a:1m rate=2r/s;"),
    ("limit_req", "http", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a burst=1;", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a burst=2;"),
    ("limit_req_status", "http", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a; limit_req_status 429;", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a;"),
    ("limit_req_log_level", "http", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a; limit_req_log_level warn;", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a;"),
    ("limit_req_dry_run", "http", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a; limit_req_dry_run on;", "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a;"),
    ("limit_conn_zone", "http", "limit_conn_zone $uri zone=a:1m;", "limit_conn_zone $host zone=a:1m;"),
    ("limit_conn", "http", "limit_conn_zone $uri zone=a:1m; limit_conn a 1;", "limit_conn_zone $uri zone=a:1m; limit_conn a 2;"),
    ("limit_conn_status", "http", "limit_conn_zone $uri zone=a:1m; limit_conn a 1; limit_conn_status 429;", "limit_conn_zone $uri zone=a:1m; limit_conn a 1;"),
    ("limit_conn_log_level", "http", "limit_conn_zone $uri zone=a:1m; limit_conn a 1; limit_conn_log_level warn;", "limit_conn_zone $uri zone=a:1m; limit_conn a 1;"),
    ("limit_conn_dry_run", "http", "limit_conn_zone $uri zone=a:1m; limit_conn a 1; limit_conn_dry_run on;", "limit_conn_zone $uri zone=a:1m; limit_conn a 1;"),
    ("limit_rate", "location", "limit_rate 1k;", "limit_rate 2k;"),
    ("limit_rate_after", "location", "limit_rate_after 1k;", "limit_rate_after 2k;"),
    ("limit_except", "location", "limit_except GET { deny all; }", "limit_except POST { deny all; }"),
    ("allow", "location", "allow 10.0.0.1;", "allow 10.0.0.2;"),
    ("deny", "location", "deny 10.0.0.1;", "deny 10.0.0.2;"),
    ("satisfy", "location", "deny all; satisfy any;", "deny all; satisfy all;"),
    ("auth_basic", "location", "auth_basic a; auth_basic_user_file f;", "auth_basic b; auth_basic_user_file f;"),
    ("auth_basic_user_file", "location", "auth_basic a; auth_basic_user_file f;", "auth_basic a; auth_basic_user_file g;"),
    ("auth_request", "location", "auth_request /a;", "auth_request /b;"),
    ("auth_request_set", "location", "auth_request /a; auth_request_set $a $uri;", "auth_request /a; auth_request_set $a $host;"),
    ("auth_delay", "location", "deny all; auth_delay 1s;", "deny all; auth_delay 2s;"),
    ("autoindex", "location", "autoindex on;", "autoindex off;"),
    ("autoindex_exact_size", "location", "autoindex on; autoindex_exact_size on;", "autoindex on; autoindex_exact_size off;"),
    ("autoindex_format", "location", "autoindex on; autoindex_format xml;", "autoindex on; autoindex_format json;"),
    ("autoindex_localtime", "location", "autoindex on; autoindex_localtime on;", "autoindex on; autoindex_localtime off;"),
    ("stub_status", "location", "stub_status;", ""),
    ("error_page", "location", "error_page 404 /a;", "error_page 404 /b;"),
    ("recursive_error_pages", "location", "recursive_error_pages on;", "recursive_error_pages off;"),
    ("add_header", "location", "add_header a b;", "add_header a c;"),
    ("add_trailer", "location", "add_trailer a b;", "add_trailer a c;"),
    ("ignore_bare_lf", "server", "ignore_bare_lf on;", "ignore_bare_lf off;"),
    ("client_body_in_file_only", "location", "client_body_in_file_only on;", "client_body_in_file_only clean;"),
    ("proxy_cookie_flags", "location", "proxy_cookie_flags a secure;", "proxy_cookie_flags a httponly;"),
    ("proxy_method", "location", "proxy_method GET;", "proxy_method POST;"),
    ("proxy_set_body", "location", "proxy_set_body a;", "proxy_set_body b;"),
    ("proxy_pass_request_headers", "location", "proxy_pass_request_headers on;", "proxy_pass_request_headers off;"),
    ("proxy_bind", "location", "proxy_bind 127.0.0.1;", "proxy_bind 127.0.0.2;"),
    ("proxy_limit_rate", "location", "proxy_limit_rate 1k;", "proxy_limit_rate 2k;"),
    ("if", "location", "if ($uri) { break; }", "if ($host) { break; }"),
    ("if", "server", "if ($uri) { break; }", "if ($host) { break; }"),
    ("set", "location", "set $x a;", "set $x b;"),
    ("rewrite", "location", "rewrite a /b;", "rewrite a /c;"),
    ("return", "location", "return 404;", "return 403;"),
    ("break", "location", "break;", ""),
    ("rewrite_log", "location", "rewrite_log on;", "rewrite_log off;"),
    ("uninitialized_variable_warn", "location", "uninitialized_variable_warn on;", "uninitialized_variable_warn off;"),
    ("set_real_ip_from", "location", "set_real_ip_from 10.0.0.1;", "set_real_ip_from 10.0.0.2;"),
    ("real_ip_header", "location", "real_ip_header X-A;", "real_ip_header X-B;"),
    ("real_ip_recursive", "location", "real_ip_recursive on;", "real_ip_recursive off;"),
    ("proxy_pass", "server", "location /a { proxy_pass http://app/x; }", "location /a { proxy_pass http://app/y; }"),
    ("proxy_http_version", "location", "proxy_http_version 1.0;", "proxy_http_version 1.1;"),
    ("proxy_set_header", "location", "proxy_set_header a b;", "proxy_set_header a c;"),
    ("proxy_pass_header", "location", "proxy_pass_header Server;", ""),
    ("proxy_hide_header", "location", "proxy_hide_header X-A;", "proxy_hide_header X-B;"),
    ("proxy_ignore_headers", "location", "proxy_ignore_headers X-Accel-Redirect;", "proxy_ignore_headers X-Accel-Buffering;"),
    ("proxy_redirect", "location", "proxy_redirect /a /b;", "proxy_redirect /a /c;"),
    ("proxy_cookie_domain", "location", "proxy_cookie_domain a b;", "proxy_cookie_domain a c;"),
    ("proxy_cookie_path", "location", "proxy_cookie_path /a /b;", "proxy_cookie_path /a /c;"),
    ("proxy_connect_timeout", "location", "proxy_connect_timeout 1s;", "proxy_connect_timeout 2s;"),
    ("proxy_read_timeout", "location", "proxy_read_timeout 1s;", "proxy_read_timeout 2s;"),
    ("proxy_send_timeout", "location", "proxy_send_timeout 1s;", "proxy_send_timeout 2s;"),
    ("geo", "http", "geo $v { default a; }", "geo $v { default b; }"),
    ("split_clients", "http", "split_clients $uri $v { 50% a; * b; }", "split_clients $uri $v { 60% a; * b; }"),
    ("valid_referers", "location", "valid_referers none;", "valid_referers none blocked;"),
    ("keepalive_disable", "location", "keepalive_disable none;", "keepalive_disable msie6;"),
    ("proxy_pass_request_body", "location", "proxy_pass_request_body on;", "proxy_pass_request_body off;"),
    ("uwsgi_pass", "server", "location /a { uwsgi_pass app; }", "location /a { uwsgi_pass 127.0.0.1:9; }"),
    ("uwsgi_param", "server", "location /a { uwsgi_pass app; uwsgi_param a b; }", "location /a { uwsgi_pass app; uwsgi_param a c; }"),
    ("uwsgi_modifier1", "server", "location /a { uwsgi_pass app; uwsgi_modifier1 1; }", "location /a { uwsgi_pass app; uwsgi_modifier1 2; }"),
    ("uwsgi_modifier2", "server", "location /a { uwsgi_pass app; uwsgi_modifier2 1; }", "location /a { uwsgi_pass app; uwsgi_modifier2 2; }"),
    ("uwsgi_pass_header", "server", "location /a { uwsgi_pass app; uwsgi_pass_header X-Accel-Charset; }", "location /a { uwsgi_pass app; uwsgi_pass_header X-Other; }"),
    ("uwsgi_hide_header", "server", "location /a { uwsgi_pass app; uwsgi_hide_header X-A; }", "location /a { uwsgi_pass app; uwsgi_hide_header X-B; }"),
    ("uwsgi_ignore_headers", "server", "location /a { uwsgi_pass app; uwsgi_ignore_headers X-Accel-Redirect; }", "location /a { uwsgi_pass app; uwsgi_ignore_headers X-Accel-Buffering; }"),
    ("uwsgi_pass_request_body", "server", "location /a { uwsgi_pass app; uwsgi_pass_request_body on; }", "location /a { uwsgi_pass app; uwsgi_pass_request_body off; }"),
    ("uwsgi_pass_request_headers", "server", "location /a { uwsgi_pass app; uwsgi_pass_request_headers on; }", "location /a { uwsgi_pass app; uwsgi_pass_request_headers off; }"),
    ("uwsgi_bind", "server", "location /a { uwsgi_pass app; uwsgi_bind 127.0.0.1; }", "location /a { uwsgi_pass app; uwsgi_bind 127.0.0.2; }"),
    ("uwsgi_limit_rate", "server", "location /a { uwsgi_pass app; uwsgi_limit_rate 1k; }", "location /a { uwsgi_pass app; uwsgi_limit_rate 2k; }"),
    ("uwsgi_connect_timeout", "server", "location /a { uwsgi_pass app; uwsgi_connect_timeout 1s; }", "location /a { uwsgi_pass app; uwsgi_connect_timeout 2s; }"),
    ("uwsgi_read_timeout", "server", "location /a { uwsgi_pass app; uwsgi_read_timeout 1s; }", "location /a { uwsgi_pass app; uwsgi_read_timeout 2s; }"),
    ("uwsgi_send_timeout", "server", "location /a { uwsgi_pass app; uwsgi_send_timeout 1s; }", "location /a { uwsgi_pass app; uwsgi_send_timeout 2s; }"),
    ("uwsgi_buffering", "server", "location /a { uwsgi_pass app; uwsgi_buffering on; }", "location /a { uwsgi_pass app; uwsgi_buffering off; }"),
    ("uwsgi_buffers", "server", "location /a { uwsgi_pass app; uwsgi_buffers 8 4k; }", "location /a { uwsgi_pass app; uwsgi_buffers 16 4k; }"),
    ("uwsgi_buffer_size", "server", "location /a { uwsgi_pass app; uwsgi_buffer_size 4k; }", "location /a { uwsgi_pass app; uwsgi_buffer_size 8k; }"),
    ("uwsgi_busy_buffers_size", "server", "location /a { uwsgi_pass app; uwsgi_busy_buffers_size 8k; }", "location /a { uwsgi_pass app; uwsgi_busy_buffers_size 16k; }"),
    ("uwsgi_max_temp_file_size", "server", "location /a { uwsgi_pass app; uwsgi_max_temp_file_size 1m; }", "location /a { uwsgi_pass app; uwsgi_max_temp_file_size 2m; }"),
    ("uwsgi_temp_file_write_size", "server", "location /a { uwsgi_pass app; uwsgi_temp_file_write_size 8k; }", "location /a { uwsgi_pass app; uwsgi_temp_file_write_size 16k; }"),
    ("uwsgi_temp_path", "server", "location /a { uwsgi_pass app; uwsgi_temp_path a; }", "location /a { uwsgi_pass app; uwsgi_temp_path b; }"),
    ("uwsgi_request_buffering", "server", "location /a { uwsgi_pass app; uwsgi_request_buffering on; }", "location /a { uwsgi_pass app; uwsgi_request_buffering off; }"),
    ("uwsgi_intercept_errors", "server", "location /a { uwsgi_pass app; uwsgi_intercept_errors on; }", "location /a { uwsgi_pass app; uwsgi_intercept_errors off; }"),
    ("uwsgi_ignore_client_abort", "server", "location /a { uwsgi_pass app; uwsgi_ignore_client_abort on; }", "location /a { uwsgi_pass app; uwsgi_ignore_client_abort off; }"),
    ("uwsgi_next_upstream", "server", "location /a { uwsgi_pass app; uwsgi_next_upstream error; }", "location /a { uwsgi_pass app; uwsgi_next_upstream error timeout; }"),
    ("uwsgi_next_upstream_tries", "server", "location /a { uwsgi_pass app; uwsgi_next_upstream_tries 1; }", "location /a { uwsgi_pass app; uwsgi_next_upstream_tries 2; }"),
    ("uwsgi_next_upstream_timeout", "server", "location /a { uwsgi_pass app; uwsgi_next_upstream_timeout 1s; }", "location /a { uwsgi_pass app; uwsgi_next_upstream_timeout 2s; }"),
    ("least_conn", "upstream", "least_conn;", ""),
    ("ip_hash", "upstream", "ip_hash;", ""),
    ("hash", "upstream", "hash $uri;", "hash $host;"),
    ("client_body_buffer_size", "location", "client_body_buffer_size 1k;", "client_body_buffer_size 2k;"),
    ("client_body_temp_path", "location", "client_body_temp_path a;", "client_body_temp_path b;"),
    ("proxy_buffering", "location", "proxy_buffering on;", "proxy_buffering off;"),
    ("proxy_buffers", "location", "proxy_buffers 8 4k;", "proxy_buffers 16 4k;"),
    ("proxy_buffer_size", "location", "proxy_buffer_size 4k;", "proxy_buffer_size 8k;"),
    ("proxy_busy_buffers_size", "location", "proxy_busy_buffers_size 8k;", "proxy_busy_buffers_size 16k;"),
    ("proxy_max_temp_file_size", "location", "proxy_max_temp_file_size 1m;", "proxy_max_temp_file_size 2m;"),
    ("proxy_temp_file_write_size", "location", "proxy_temp_file_write_size 8k;", "proxy_temp_file_write_size 16k;"),
    ("proxy_temp_path", "location", "proxy_temp_path a;", "proxy_temp_path b;"),
    ("proxy_request_buffering", "location", "proxy_request_buffering on;", "proxy_request_buffering off;"),
    ("proxy_intercept_errors", "location", "proxy_intercept_errors on;", "proxy_intercept_errors off;"),
    ("proxy_ignore_client_abort", "location", "proxy_ignore_client_abort on;", "proxy_ignore_client_abort off;"),
    ("proxy_next_upstream", "location", "proxy_next_upstream error;", "proxy_next_upstream error timeout;"),
    ("proxy_next_upstream_tries", "location", "proxy_next_upstream_tries 1;", "proxy_next_upstream_tries 2;"),
    ("proxy_next_upstream_timeout", "location", "proxy_next_upstream_timeout 1s;", "proxy_next_upstream_timeout 2s;"),
];

/// Blocks that other rows are in, and what is gone before the directives are read.
const FRAME: [&str; 3] = ["events", "http", "include"];
/// Its only effect is on temporary folders, which the table says.
const OWNER: &str = "user";

/// The words of a configuration in order. The order of hash maps is random.
fn words(context: &str, directives: &str) -> Vec<String> {
    let within = |own: &str| if own == context { directives } else { "" };
    let text = format!(
        "{} events {{ {} }} http {{ {} upstream app {{ server 127.0.0.1:2; {} }} server {{ listen 127.0.0.1:1; {} \
         location / {{ {} location /inner {{ proxy_pass http://app; }} }} }} }}",
        within("main"),
        within("events"),
        within("http"),
        within("upstream"),
        within("server"),
        within("location")
    );
    let file = Path::new("nginx.conf");
    let tree = lab_nginx_conf::parse(&text, file).unwrap();
    lab_nginx_conf::check(&tree).unwrap_or_else(|error| panic!("{directives}: {error}"));
    let paths = ConfigPaths { prefix: Path::new("/prefix"), error_log: None };
    let config = read(&tree, file, paths).unwrap_or_else(|error| panic!("{directives}: {error}"));
    let described = format!("{config:?}");
    let is_mark = |character: char| !character.is_alphanumeric() && !matches!(character, '-' | '.' | '/' | '_');
    let mut words: Vec<String> = described.split(is_mark).map(str::to_owned).collect();
    words.sort();
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn accepted_directives_have_their_listed_effect() {
    let rows: Vec<_> = compatibility().filter(|row| !matches!(row.support, Support::Refused { .. })).collect();
    // what has no effect and no row is validated with the tree, and never read here
    let has_effect = |name: &str| rows.iter().any(|row| row.directive == name && row.support == Support::Supported);
    let is_in_table =
        |name: &str| ROWS.iter().any(|(own, ..)| *own == name) || FRAME.contains(&name) || !has_effect(name);
    let missing: Vec<&str> = rows.iter().map(|row| row.directive.as_str()).filter(|name| !is_in_table(name)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    for (name, context, one, other) in ROWS.iter().filter(|(name, ..)| *name != OWNER) {
        let row = rows.iter().find(|row| row.directive == *name).unwrap_or_else(|| panic!("{name} is not accepted"));
        let has_effect = words(context, one) != words(context, other);
        assert_eq!(has_effect, row.support == Support::Supported, "{name}: {one} and {other}");
    }
}
