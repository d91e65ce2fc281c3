#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what `make` has built: BUILD= DESTDIR= PREFIX= SYSCONFDIR= UNITDIR= install.sh
#
# The manual pages of the config and of the metrics, and the completions, come from the programs
# themselves, whose tables are their source. An existing config is never touched; no user is made and
# nothing is started: the last lines say how.
set -euo pipefail

cd "$(dirname "$0")"
build=${BUILD:-build}
dest=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
sysconfdir=${SYSCONFDIR:-/etc}
unitdir=${UNITDIR:-/lib/systemd/system}
[[ $build == /* ]] || build=../../$build

config=$sysconfdir/sonde/sonde.yaml
bindir=$prefix/bin
sbindir=$prefix/sbin
mandir=$prefix/share/man
version=$("$build/sonded" --version | awk '{ print $NF }')

# put MODE SOURCE TARGET
put() {
	install -D -m "$1" "$2" "$dest$3"
	echo "  $dest$3"
}

# put_text TARGET: standard input, with the places filled in
put_text() {
	install -d "$(dirname "$dest$1")"
	sed -e "s|@SBINDIR@|$sbindir|g" -e "s|@CONFIG@|$config|g" -e "s|@VERSION@|$version|g" \
		>"$dest$1.new"
	chmod 644 "$dest$1.new"
	mv "$dest$1.new" "$dest$1"
	echo "  $dest$1"
}

put 755 "$build/sonded" "$sbindir/sonded"
put 755 "$build/sonde" "$bindir/sonde"
put_text "$unitdir/sonded.service" <sonded.service
put_text "$prefix/lib/sysusers.d/sonde.conf" <sonde.sysusers
put_text "$prefix/lib/tmpfiles.d/sonde.conf" <sonde.tmpfiles
put_text "$mandir/man8/sonded.8" <man/sonded.8
put_text "$mandir/man1/sonde.1" <man/sonde.1
"$build/sonded" --man-config | put_text "$mandir/man5/sonde.yaml.5"
"$build/sonded" --man-metrics | put_text "$mandir/man7/sonde-metrics.7"
"$build/sonde" completion bash | put_text "$prefix/share/bash-completion/completions/sonde"
"$build/sonde" completion zsh | put_text "$prefix/share/zsh/site-functions/_sonde"
"$build/sonde" completion fish | put_text "$prefix/share/fish/vendor_completions.d/sonde.fish"
if [ -e "$dest$config" ]; then
	echo "  $dest$config: is there already, left as it is"
else
	put 644 sonde.yaml "$config"
fi

if [ -z "$dest" ]; then
	cat <<-END
		Make the users, then start the daemon:
		  systemd-sysusers && systemd-tmpfiles --create sonde.conf
		  systemctl daemon-reload && systemctl enable --now sonded
	END
fi
