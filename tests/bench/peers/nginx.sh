#!/bin/sh
# What tests/bench/peers.c asks of a server, by nginx: /hello; with nchan also /events, and POST
# /publish for all of them. One process in the foreground.
# usage: PORT=... nginx.sh NGINX [NCHAN_MODULE]
set -eu
dir=$(pwd)/build/bench/nginx-$PORT
mkdir -p "$dir"
{
    [ $# -lt 2 ] || echo "load_module $2;"
    cat <<EOF
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error.log crit;
worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    server {
        listen 127.0.0.1:$PORT backlog=4096;
        location = /hello { default_type text/html; return 200 "<h1>hello world</h1>"; }
EOF
    [ $# -lt 2 ] || cat <<EOF
        location = /events { nchan_subscriber eventsource; nchan_channel_id news;
            nchan_subscriber_first_message newest; }
        location = /publish { nchan_publisher; nchan_channel_id news;
            nchan_message_buffer_length 2; }
EOF
    echo "    }"
    echo "}"
} >"$dir/nginx.conf"
exec "$1" -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
