#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What has to hold on every kernel: the daemon starts, one exchange over IPv4 and one over IPv6 come
# out as records and as counters, what TCP and UDP carried is added up, and nothing is left when it
# ends. What a kernel lacks is absent and named; run.sh knows what that is.
#
# Each claim prints one line, "ok - claim" or "not ok - claim"; lines with '#' explain; "@status" is
# the daemon's own account. Nothing here waits for a time: every wait is for an event, and bounded.

run_dir=/run/sonde
trace=/tmp/trace.jsonl
metrics=/tmp/metrics
failed_at=''

claim() { # claim TEXT COMMAND...
	text=$1
	shift
	if "$@"; then echo "ok - $text"; else
		echo "not ok - $text"
		failed_at=${failed_at:-$text}
	fi
}

# Shows a file as explanation, bounded.
show() {
	echo "# $1:"
	tail -n "${2:-30}" "$1" 2>/dev/null | cut -c 1-400 | sed 's/^/#   /'
}

# Waits until a command succeeds: at most 200 looks, a tenth of a second apart.
wait_for() {
	looks=0
	until "$@" >/dev/null 2>&1; do
		looks=$((looks + 1))
		[ $looks -lt 200 ] || return 1
		usleep 100000
	done
}

get() { timeout 10 wget -q -O /dev/null "http://$1" 2>/dev/null; }

# ---- what the kernel has ----

has_btf() { [ -s /sys/kernel/btf/vmlinux ]; }
has_cgroup2() { grep -q ' /sys/fs/cgroup cgroup2 ' /proc/mounts; }

# ---- the daemon ----

is_ready() { grep -q '^sonded: ready' /tmp/sonded.log; }
is_running() { kill -0 "$daemon" 2>/dev/null; }
start_daemon() {
	sonded --run-dir "$run_dir" --http 127.0.0.1:9764 >/tmp/sonded.log 2>&1 &
	daemon=$!
	wait_for is_ready_or_gone && is_ready
}
is_ready_or_gone() { is_ready || ! is_running; }

# ---- exchanges ----

listens() { grep -q ':1F90 .* 0A ' /proc/net/tcp6 /proc/net/tcp; }
start_server() {
	/bin/httpd -f -p 8080 -h /www &
	wait_for listens
}

# The stream is live when it shows a request made after it began.
start_trace() {
	sonde --run-dir "$run_dir" trace -o jsonl >"$trace" 2>/tmp/trace.log &
	wait_for warm
}
warm() {
	get 127.0.0.1:8080/warm
	grep -q '/warm' "$trace"
}

# Lines of the trace for PATH that hold all the other words, blanks after colons taken out.
records() {
	wanted=$1
	shift
	sed 's/": /":/g; s/, "/,"/g' "$trace" | grep -F "\"GET $wanted\"" >/tmp/records
	for word in "$@"; do
		grep -F "$word" /tmp/records >/tmp/records.new
		mv /tmp/records.new /tmp/records
	done
	wc -l </tmp/records
}
is_recorded() { [ "$(records "$1")" -ge 1 ]; }
both_recorded() { is_recorded /hello && is_recorded /absent; }
exchange() {
	get 127.0.0.1:8080/hello || return 1
	get '[::1]:8080/absent' # not found, as it should be
	wait_for both_recorded
}
one_record() { # one_record PATH STATUS CLIENT
	[ "$(records "$1")" -eq 1 ] &&
		[ "$(records "$1" '"protocol":"http"' '"role":"server"' "\"status\":$2" \
			'"comm":"httpd"' "\"address\":\"$3\"" '"port":8080')" -eq 1 ]
}

# ---- counters ----

counted() { # counted PATH STATUS: exactly 1
	get_metrics
	grep '^http_server_request_duration_seconds_count{' "$metrics" | grep -F "\"$1\"" |
		grep -F "\"$2\"" | grep -qE '} 1(\.0)?( |$)'
}
get_metrics() { timeout 10 wget -q -O "$metrics" http://127.0.0.1:9764/metrics; }

# ---- connections ----

# The family NAME has a value above 0 for a series with all the WORDS.
has_series() { # has_series NAME WORD...
	get_metrics
	grep "^$1{" "$metrics" | grep -v ' 0\(\.0*\)\?$' >/tmp/series
	shift
	for word in "$@"; do
		grep -F "$word" /tmp/series >/tmp/series.new
		mv /tmp/series.new /tmp/series
	done
	[ -s /tmp/series ]
}
tcp_is_counted() {
	has_series sonde_tcp_connections_closed_total 'server_service="httpd"' &&
		has_series sonde_tcp_bytes_total 'server_service="httpd"' 'to_server' &&
		has_series sonde_tcp_segments_total 'server_service="httpd"' 'to_client'
}
# A question to a port that nobody has: packets go out, and the kernel says no.
ask_nobody() { timeout 10 nslookup sonde.test 127.0.0.1 >/dev/null 2>&1; }
udp_is_counted() {
	has_series sonde_udp_packets_total 'client_service="nslookup"' 'to_server' &&
		has_series sonde_udp_bytes_total 'client_service="nslookup"' 'to_server'
}
attached() { # attached PROGRAM
	get_metrics
	grep -qE "^sonde_program_attached\\{program=\"$1\"\\} 1" "$metrics"
}
# With the program there is the fact; without it there is none.
drops_are_told() {
	if attached sonde_drop; then
		wait_for has_series sonde_packets_dropped_total NO_SOCKET
	else
		! has_series sonde_packets_dropped_total
	fi
}
missing_is_named() {
	sonde --run-dir "$run_dir" doctor 2>/dev/null >/tmp/doctor
	for pair in sonde_adopt:iter/task_file sonde_error:inet_sk_error_report sonde_drop:kfree_skb; do
		attached "${pair%%:*}" && continue
		# The iterator may be there and not reach sockets: then the daemon's note says so.
		grep "${pair##*:}" /tmp/doctor | grep -q missing && continue
		sonde --run-dir "$run_dir" status | grep "^${pair%%:*} .*refused" >/dev/null || return 1
	done
}

# ---- the end ----

is_gone() { ! is_running; }
no_process() { ! pidof sonded >/dev/null; }
stop_daemon() {
	kill -TERM "$daemon"
	wait_for is_gone
	wait "$daemon"
}
nothing_left() { no_process && [ -z "$(ls /sys/fs/bpf)" ] && [ ! -S "$run_dir/control.sock" ]; }
log_is_clean() { ! dmesg | grep -E 'BUG:|WARNING:|Oops|general protection|Call Trace'; }

claim 'BTF and cgroup v2 are there' eval 'has_btf && has_cgroup2'
claim 'sonded is ready' start_daemon
if ! is_ready; then
	show /tmp/sonded.log
	exit 1
fi
start_server
claim 'trace shows requests as they come' start_trace
claim 'two exchanges are recorded' exchange
claim 'the exchange over IPv4 is one record with all its facts' one_record /hello 200 127.0.0.1
claim 'the exchange over IPv6 is one record with all its facts' one_record /absent 404 ::1
claim 'metrics count the exchange over IPv4 once' wait_for counted /hello 200
claim 'metrics count the exchange over IPv6 once' wait_for counted /absent 404
claim 'what TCP carried is added up per pair of services' wait_for tcp_is_counted
ask_nobody
claim 'what UDP carried is added up per pair of services' wait_for udp_is_counted
claim 'drops are told with the reason, or the kernel has none' drops_are_told
claim 'what is missing is named' missing_is_named
echo "@status $(sonde --run-dir "$run_dir" status -o json 2>/dev/null | tr '\n\r' '  ')"
# Of the table, what is not as it could be.
sonde --run-dir "$run_dir" doctor 2>&1 | grep -vE '  (ok|yes|STATE)  |^$' | cut -c 1-200 |
	sed 's/^/# doctor: /'
claim 'sonded ends with 0 on SIGTERM' stop_daemon
claim 'no process, pin or socket is left' nothing_left
limiter_works() { limit_cases_test >/tmp/limit.log 2>&1; }
claim 'the limiter loads, reads packets and keeps its rates' limiter_works
grep -q "^not ok" /tmp/limit.log && show /tmp/limit.log
claim 'the kernel did not complain' log_is_clean
if [ -n "$failed_at" ]; then
	show /tmp/sonded.log
	show /tmp/trace.log
	show "$trace"
	grep -s '^http_server_request_duration_seconds_count' "$metrics" | sed 's/^/# metrics: /'
fi
