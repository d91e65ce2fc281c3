#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `make run` does once everything is built: the daemon with its defaults in a run directory of
# its own, a small shop to watch (DEMO=0: only what the node does anyway), and `sonde top` until it
# is left with q or Ctrl-C. Without a terminal: ten seconds of requests and a summary. Leaves
# nothing behind.
set -euo pipefail

build=${BUILD:-build}
scratch='' run_dir='' daemon='' demo=''

fail() { # CODE MESSAGE
	echo "make run: $2" >&2
	exit "$1"
}

# The daemon and the demonstration end on SIGTERM; whoever does not within ten seconds is killed.
# It is looked for in steps: a guard in the background would outlive us and hold our output open.
finish() { # PID
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null || true
	for ((step = 0; step < 200; step++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

leave() {
	trap - EXIT INT TERM HUP
	finish "$demo"
	finish "$daemon"
	[ -z "$run_dir" ] || rmdir "$run_dir" 2>/dev/null || true
	[ -z "$scratch" ] || rm -rf "$scratch"
}

is_free() { # PORT
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

[ "$(id -u)" -eq 0 ] || fail 4 "loading programs into the kernel needs root: sudo make run"
for program in sonded sonde demo; do
	[ -x "$build/$program" ] || fail 1 "$build/$program is not built"
done

trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
scratch=$(mktemp -d)
run_dir=/run/sonde
[ ! -e "$run_dir" ] || run_dir=$(mktemp -d /run/sonde-XXXXXX)
port=9764
until is_free "$port"; do port=$((port + 1)); done

# An empty config file is all defaults, whatever this machine has in /etc.
: >"$scratch/sonde.yaml"
mkfifo "$scratch/out"
"$build/sonded" --config "$scratch/sonde.yaml" --run-dir "$run_dir" --http "127.0.0.1:$port" \
	>"$scratch/out" 2>"$scratch/log" </dev/null &
daemon=$!
line=''
exec 3<"$scratch/out"
read -r -t 30 line <&3 || true
if [ "$line" != 'sonded: ready' ]; then
	cat "$scratch/log" >&2
	code=1
	kill -0 "$daemon" 2>/dev/null || { wait "$daemon" && code=1 || code=$?; daemon=''; }
	fail "$code" "the daemon did not get ready; \`$build/sonde doctor\` says what this kernel lacks"
fi
if [ "${DEMO:-1}" != 0 ]; then
	"$build/demo" >/dev/null </dev/null &
	demo=$!
fi

sonde=("$build/sonde" --run-dir "$run_dir")
echo "sonde is watching. Metrics: http://127.0.0.1:$port/metrics   Run directory: $run_dir"
if [ -t 0 ] && [ -t 1 ]; then
	"${sonde[@]}" top || true
else
	"${sonde[@]}" trace --timeout 10
	echo
	"${sonde[@]}" services
fi
