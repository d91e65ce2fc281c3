#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh DIR - builds etcd, kube-apiserver and kwok as Go modules into DIR/bin, once.
#
# The modules come from the Go module proxy with their checksums verified by the Go command. Each
# binary is built in a small module of its own, one package at a time (-p 1): the API server takes
# about ten minutes of one core. What DIR/bin already holds is not built again; take it away to
# build anew, for example after a version below has changed.
set -eu

KUBERNETES=1.37.2
ETCD=3.7.3
KWOK=0.8.0

dir=$(mkdir -p "$1/bin" && cd "$1" && pwd)
export CGO_ENABLED=0 GOFLAGS=-modcacherw

built() {
	[ -x "$dir/bin/$1" ] && [ "$(cat "$dir/bin/$1.version" 2>/dev/null)" = "$2" ]
}

finish() {
	echo "$2" >"$dir/bin/$1.version"
}

# A module that imports one command, so that its dependencies are those that it was released with.
begin() {
	mkdir -p "$dir/$1"
	cd "$dir/$1"
	rm -f go.mod go.sum
	go mod init "sonde.invalid/$1" 2>/dev/null
	printf '//go:build tools\n\npackage tools\n\nimport _ "%s"\n' "$2" >tools.go
}

# kube-apiserver's own go.mod names its sub-modules by directories of its repository; those are
# published under the same minor version, beginning with 0.
staged() {
	go mod download -json "k8s.io/kubernetes@v$KUBERNETES" |
		sed -n 's/.*"GoMod": "\(.*\)",*/\1/p' | xargs cat |
		sed -n 's/^[\t ]*\(replace \)*\(k8s.io[^ ]*\) => .\/staging.*/\2/p'
}

kubernetes() {
	begin kubernetes k8s.io/kubernetes/cmd/kube-apiserver
	go mod edit -require "k8s.io/kubernetes@v$KUBERNETES"
	for module in $(staged); do
		go mod edit -replace "$module=$module@v0.${KUBERNETES#1.}"
	done
	go mod tidy
	go build -p 1 -o "$dir/bin/kube-apiserver" \
		-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES" \
		k8s.io/kubernetes/cmd/kube-apiserver
}

etcd() {
	begin etcd go.etcd.io/etcd/server/v3
	go mod edit -require "go.etcd.io/etcd/server/v3@v$ETCD"
	go mod tidy
	go build -p 1 -ldflags "-s -w" -o "$dir/bin/etcd" go.etcd.io/etcd/server/v3
}

# The stages tell kwok what a kubelet would make of a node and of a pod; they are in its module.
kwok() {
	begin kwok sigs.k8s.io/kwok/cmd/kwok
	go mod edit -require "sigs.k8s.io/kwok@v$KWOK"
	go mod tidy
	go build -p 1 -ldflags "-s -w" -o "$dir/bin/kwok" sigs.k8s.io/kwok/cmd/kwok
	stages=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
	: >"$dir/stages.yaml"
	for file in "$stages"/node/fast/*.yaml "$stages"/node/heartbeat/*.yaml \
		"$stages"/pod/fast/*.yaml; do
		case $file in */kustomization.yaml) continue ;; esac
		printf -- '---\n' >>"$dir/stages.yaml"
		cat "$file" >>"$dir/stages.yaml"
	done
}

built etcd $ETCD || { etcd && finish etcd $ETCD; }
built kwok $KWOK || { kwok && finish kwok $KWOK; }
built kube-apiserver $KUBERNETES || { kubernetes && finish kube-apiserver $KUBERNETES; }
