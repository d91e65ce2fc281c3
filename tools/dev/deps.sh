#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing for building and testing: deps.sh [--build] [--list]
#
#   --build  those of the build only
#   --list   print the names, install nothing
#
# When nothing is missing it asks dpkg once and is done. Services that come with a package, such as
# nginx, are not started.
set -euo pipefail

build=(
	gcc libc6-dev make pkg-config python3
	clang llvm bpftool
	libbpf-dev libelf-dev zlib1g-dev
	libprotobuf-c-dev protobuf-c-compiler
	libmicrohttpd-dev libyaml-dev libjansson-dev
	libcap-ng-dev libseccomp-dev libncurses-dev libcurl4-openssl-dev
)
tests=(
	libcmocka-dev libclang-rt-14-dev lld liburing-dev valgrind
	nginx-light wrk apache2-utils nghttp2-client curl openssl
	ethtool iproute2 iptables procps nftables redis-server
	podman runc containerd docker.io
	qemu-system-x86 busybox-static cpio zstd xz-utils
	clang-format clang-tidy
)

usage() {
	echo "usage: deps.sh [--build] [--list]" >&2
	exit 2
}

wanted=("${build[@]}" "${tests[@]}")
list=
for arg in "$@"; do
	case $arg in
	--build) wanted=("${build[@]}") ;;
	--list) list=1 ;;
	*) usage ;;
	esac
done
if [ -n "$list" ]; then
	printf '%s\n' "${wanted[@]}"
	exit 0
fi

# The wanted packages that are not installed, one a line.
find_missing() {
	{
		dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true
		printf 'wanted %s\n' "${wanted[@]}"
	} | awk '$1 == "installed" { have[$2] } $1 == "wanted" && !($2 in have) { print $2 }'
}

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: this is no Debian system; install what 'tools/dev/deps.sh --list' prints" >&2
	exit 1
fi
read -r -d '' -a missing <<<"$(find_missing)" || true
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "deps.sh: packages are missing and only root can install them; run as root:" >&2
	echo "  apt-get install ${missing[*]}" >&2
	exit 1
fi

# Where no policy says whether services may be started (policy-rc.d of invoke-rc.d), ours says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

install_missing() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "${missing[@]}"
}

echo "deps.sh: installing ${missing[*]}"
if ! install_missing; then
	echo "deps.sh: trying once more with new package lists"
	apt-get update -q
	install_missing
fi
