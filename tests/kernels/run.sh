#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Other kernels: one exchange through the whole agent on each of Debian's 5.10, 6.1, 6.12 and 7.2.
#
#   BUILD=build tests/kernels/run.sh [SERIES...]
#
# Each kernel boots under emulation with the programs of BUILD in an initramfs, runs guest/check.sh,
# and says on its serial console how that went. Two boot at a time. Kernels and consoles are kept in
# build/kernels (KERNELS_DIR overrides it). A kernel that cannot be had is a skip with the reason;
# one that cannot be booted, or does not come to the end of its check, is a failure.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-$top/build}
dir=${KERNELS_DIR:-$top/build/kernels}
boot_seconds=120
at_once=2
n=0

result() { # result VERDICT NAME
	n=$((n + 1))
	echo "$1 $n - $2"
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

check_needs() {
	[ "$(uname -m)" = x86_64 ] || skip_all "the kernels are for x86_64"
	for tool in qemu-system-x86_64 busybox apt-get dpkg-deb strip python3; do
		command -v $tool >/dev/null || skip_all "$tool is not installed"
	done
	for applet in cpio httpd wget ip usleep pidof nslookup; do
		busybox --list | grep -qx $applet || skip_all "busybox has no $applet"
	done
	for program in sonded sonde; do
		[ -x "$build/$program" ] || {
			echo "Bail out! $build/$program is not built"
			exit 1
		}
	done
}

# Boots SERIES; its console is in SERIES/console when this returns.
boot() {
	local at=$dir/$1
	timeout -k 5 $boot_seconds qemu-system-x86_64 -accel tcg -cpu max -m 512 -smp 1 \
		-nodefaults -no-user-config -display none -no-reboot -serial "file:$at/console" \
		-kernel "$at/vmlinuz" -initrd "$dir/initramfs" \
		-append 'console=ttyS0 quiet loglevel=1 panic=-1 rdinit=/init' \
		</dev/null >"$at/qemu.log" 2>&1
	echo $? >"$at/exit"
}

boot_all() {
	local series running=0
	for series in "$@"; do
		[ -s "$dir/$series/vmlinuz" ] || continue
		rm -f "$dir/$series"/{console,exit,qemu.log}
		if [ $running -ge $at_once ]; then
			wait -n
			running=$((running - 1))
		fi
		boot "$series" &
		running=$((running + 1))
	done
	wait
}

# The programs that a kernel of SERIES cannot have, in order; all others must be there.
lacks() {
	case $1 in
	5.10) echo 'sonde_adopt sonde_drop sonde_error sonde_read' ;;
	esac
}

# What the daemon says of its optional programs, from the line "@status {...}" on stdin.
missing() {
	python3 -c '
import json, sys
for line in sys.stdin:
    if not line.startswith("@status {"):
        continue
    try:
        status = json.loads(line[len("@status "):])
    except ValueError as error:
        print(f"# status is not JSON: {error}")
        continue
    programs = status.get("programs") or status.get("kernel", {}).get("programs") or []
    absent = [p for p in programs if not p.get("attached")]
    print("absent:", *sorted(p.get("name") for p in absent))
    print(f"# {len(programs) - len(absent)} of {len(programs)} programs attached")
    for p in absent:
        print("# missing: {}: {}".format(p.get("name"), p.get("note") or "no reason given"))
'
}

# Turns the console of SERIES into results.
report() {
	local series=$1 at=$dir/$1 name line verdict ended=''
	if [ ! -s "$at/vmlinuz" ]; then
		result ok "$series # SKIP $(cat "$at/reason" 2>/dev/null || echo 'no kernel')"
		return
	fi
	tr -d '\r' <"$at/console" 2>/dev/null | sed -n '/^@begin/,/^@end/p' >"$at/report"
	name="$series ($(cat "$at/version"))"
	echo "# $name: $(head -1 "$at/report")"
	while IFS= read -r line; do
		case $line in
		'@end') ended=yes ;;
		'ok - '* | 'not ok - '*)
			verdict=${line%% - *}
			result "$verdict" "$name: ${line#* - }"
			;;
		'#'*) echo "$line" ;;
		esac
	done <"$at/report"
	missing <"$at/report" >"$at/missing"
	grep '^#' "$at/missing"
	if [ "$(sed -n 's/^absent: *//p' "$at/missing")" = "$(lacks "$series")" ]; then
		result ok "$name: what it lacks is what such a kernel lacks: $(lacks "$series" | grep . || echo nothing)"
	else
		result 'not ok' "$name: it lacks $(sed -n 's/^absent: *//p' "$at/missing")"
	fi
	if [ -n "$ended" ]; then
		result ok "$name: the check came to its end"
	else
		result 'not ok' "$name: the check came to its end"
		echo "# emulator ended with $(cat "$at/exit" 2>/dev/null); last lines of its console:"
		tail -n 25 "$at/console" "$at/qemu.log" 2>/dev/null | tr -d '\r' | cut -c 1-300 |
			sed 's/^/#   /'
	fi
}

check_needs
trap 'kill $(jobs -p) 2>/dev/null; exit 143' TERM INT
[ $# -gt 0 ] || set -- 5.10 6.1 6.12 7.2
bash "$here/fetch.sh" "$dir"
bash "$here/initramfs.sh" "$build" "$dir/initramfs" || {
	echo 'Bail out! the initramfs could not be made'
	exit 1
}
boot_all "$@"
for series in "$@"; do
	report "$series"
done
echo "1..$n"
