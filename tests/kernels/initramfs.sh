#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Packs the one file system that all kernels boot: busybox, the two programs under test with the
# shared libraries they ask for, and the scripts of guest/.
#
#   initramfs.sh BUILD OUT
set -eu

build=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,dev,etc,proc,root,run,sys,tmp,var,www}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list | grep -vx busybox); do
	ln -sf busybox "$root/bin/$applet"
done

# Without debug information: the file is read once per boot, under emulation.
for program in sonded sonde; do
	cp "$build/$program" "$root/bin/$program"
	strip -g "$root/bin/$program" 2>/dev/null || true
done
cp "$build/tests/bpf/limit_cases_test" "$root/bin/"
strip -g "$root/bin/limit_cases_test" 2>/dev/null || true
# The worker loads its HTTP library itself; ldd does not know of it.
http=$(ldconfig -p | sed -n 's/.*libmicrohttpd\.so\.12 .*=> //p' | head -n 1)
{
	echo "$http"
	ldd "$build/sonded" "$build/sonde" "$build/tests/bpf/limit_cases_test" "$http" "$(command -v busybox)" 2>/dev/null | grep -oE '/[^ :]+\.so[^ :]*'
} | sort -u |
	while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done

# Whom the worker may become, and the group of the control socket.
cat >"$root/etc/passwd" <<-EOF
	root:x:0:0::/root:/bin/sh
	sonde:x:990:990::/:/bin/false
	nobody:x:65534:65534::/:/bin/false
EOF
printf 'root:x:0:\nsonde:x:990:\nnogroup:x:65534:\n' >"$root/etc/group"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
echo 'hello' >"$root/www/hello"

cp "$here/guest/init" "$here/guest/check.sh" "$root/"
chmod 755 "$root/init" "$root/check.sh"
(cd "$root" && find . | LC_ALL=C sort | busybox cpio -o -H newc 2>/dev/null) >"$out.new"
mv "$out.new" "$out"
