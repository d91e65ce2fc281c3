#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Brings the kernels that the tests boot: for each series the newest that Debian has, by name.
#
#   fetch.sh DIR     leaves DIR/SERIES/{vmlinuz,version}, or DIR/SERIES/reason when it cannot be had
#
# The packages come through apt with its signature checks, from the mirror the machine is set up
# for, but with lists and archives of their own below DIR: nothing is installed and the machine's
# apt does not learn of other suites. What is there is used for a week before apt is asked again,
# and longer when it does not answer. Where unstable has gone on to a newer series than the one
# wanted, that one is taken: results are named by the version. The kernel images are all that is needed: what the agent uses
# is built in.
set -u

dir=$1
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
max_age_days=7

# series | suites, the smaller index first | names of the package with the image, the wanted first
kernels='
5.10|bullseye-security bullseye|linux-image-5\.10\.0-[0-9]+-cloud-amd64
6.1|bookworm-security bookworm|linux-image-6\.1\.0-[0-9]+-cloud-amd64
6.12|trixie-security trixie|linux-image-6\.12\.[0-9]+\+deb13(\.[0-9]+)?-cloud-amd64
7.2|sid forky|linux-binary-7\.2\.[0-9]+\+deb[0-9]+(\.[0-9]+)?-cloud-amd64 linux-binary-[0-9.]+\+deb[0-9.]+-cloud-amd64
'

say() { echo "# fetch: $*"; }

# The address this machine gets Debian (or its security archive) from, whatever the file's format.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list \
		2>/dev/null | grep -v '^#' | grep -oE "[a-z+]+:/[^] ]+/$1/?( |\$)" | head -1 | tr -d ' '
}

# Writes the configuration of apt for SUITE and prints where it is.
apt_config() {
	local suite=$1 at=$dir/apt/$1 uri
	case $suite in
	*-security) uri=$(mirror debian-security) ;;
	*) uri=$(mirror debian) ;;
	esac
	[ -n "$uri" ] || return 1
	mkdir -p "$at/lists/partial" "$at/archives/partial"
	echo "deb [arch=amd64 signed-by=$keyring] $uri $suite main" >"$at/sources.list"
	cat >"$at/apt.conf" <<-EOF
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::Retries "2";
		Acquire::http::Timeout "30";
		Dir::Etc::SourceList "$at/sources.list";
		Dir::Etc::SourceParts "-";
		Dir::State::Lists "$at/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$at";
		Dir::Cache::Archives "$at/archives";
	EOF
	echo "$at/apt.conf"
}

# Downloads the newest package of SUITE whose whole name matches PATTERN into the current directory.
download() {
	local suite=$1 pattern=$2 name
	APT_CONFIG=$(apt_config "$suite") || { echo "no Debian mirror in apt's sources"; return 1; }
	export APT_CONFIG
	timeout 120 apt-get -qq update >update.log 2>&1 ||
		{ echo "$suite: $(grep -E '^(E|W):' update.log | head -1)"; return 1; }
	name=$(apt-cache pkgnames linux- | grep -xE "$pattern" | sort -V | tail -1)
	[ -n "$name" ] || { echo "$suite: no package $pattern"; return 1; }
	timeout 300 apt-get -qq download "$name" >download.log 2>&1 ||
		{ echo "$suite: $name: $(grep -E '^(E|W):' download.log | head -1)"; return 1; }
	echo "$name"
}

# The package in the current directory becomes vmlinuz and version; older packages go.
unpack() {
	local name=$1 deb
	deb=$(ls -t "$name"_*.deb | head -1)
	dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards './*/vmlinuz*' >vmlinuz.new &&
		[ -s vmlinuz.new ] && mv vmlinuz.new vmlinuz || return 1
	dpkg-deb -f "$deb" Version >version
	find . -maxdepth 1 -name '*.deb' ! -name "$deb" -delete
	touch stamp
}

fetch() {
	local series=$1 suites=$2 pattern suite said why=''
	local -a patterns
	read -ra patterns <<<"$3"
	mkdir -p "$dir/$series" && cd "$dir/$series" || return
	rm -f reason
	[ -s vmlinuz ] && [ -n "$(find stamp -mtime -$max_age_days 2>/dev/null)" ] && return
	for pattern in "${patterns[@]}"; do
		for suite in $suites; do
			if said=$(download "$suite" "$pattern"); then
				unpack "$said" && return
				said="$said: no image in the package"
			fi
			why="$why${why:+; }$said"
		done
	done
	[ -s vmlinuz ] && { say "$series: $why: using what is there"; return; }
	echo "$why" >reason
}

mkdir -p "$dir" && dir=$(cd "$dir" && pwd) || exit 1
while IFS='|' read -r series suites patterns; do
	[ -z "$series" ] || (fetch "$series" "$suites" "$patterns")
done <<<"$kernels"
