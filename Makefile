# SPDX-License-Identifier: Apache-2.0
# The only file with recipes. `make help` lists what to ask for.

VERSION   := 0.1.0
BUILD     ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
PREFIX    ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR   ?= /lib/systemd/system
DESTDIR   ?=
comma     := ,

CC        ?= gcc
CLANG     ?= clang
BPFTOOL   ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config
PYTHON    ?= python3
ARCH      := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))

Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-8s %s\n' "$(1)" "$(2)")

# ---- rooms ----------------------------------------------------------------------------------------
ROOMS := agent/core agent/model agent/proto agent/probe agent/track agent/meta agent/agg agent/limit \
	 agent/daemon exporters $(patsubst %/,%,$(wildcard exporters/*/))
LIB_SRC   := $(filter-out agent/main.c,$(wildcard $(addsuffix /*.c,$(ROOMS))))
CLI_SRC   := $(wildcard tools/sonde/*.c)
DEMO_SRC  := $(wildcard tools/demo/*.c)
PROTO_SRC := $(wildcard agent/model/*.proto)
BPF_SRC   := $(filter-out bpf/limit.bpf.c,$(wildcard bpf/*.bpf.c))
UNIT_SRC  := $(wildcard tests/unit/*_test.c tests/unit/*/*_test.c)
BPFT_SRC  := $(wildcard tests/bpf/*_test.c)
FUZZ_SRC  := $(wildcard tests/fuzz/*_fuzz.c)
BENCH_SRC := $(wildcard tests/bench/*_bench.c)
HELPER_SRC := $(filter-out %.bpf.c,$(wildcard tests/e2e/servers/*.c))

GEN       := $(BUILD)/gen
PB_C      := $(PROTO_SRC:%.proto=$(GEN)/%.pb-c.c)
# Two objects: what observes ends with the daemon, the limiter stays when it ends.
SKEL      := $(GEN)/bpf/sonde.skel.h $(GEN)/bpf/limit.skel.h

# ---- flags ----------------------------------------------------------------------------------------
PKGS      := libbpf libelf zlib libprotobuf-c yaml-0.1 jansson libcap-ng libseccomp
CLI_PKGS  := libprotobuf-c ncursesw
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	     -Wimplicit-fallthrough -Wcast-qual -Wwrite-strings $(if $(WERROR),-Werror)
HARDEN    := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS  := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CPPFLAGS  := -D_GNU_SOURCE -DSONDE_VERSION='"$(VERSION)"' -I. -isystem $(GEN) \
	     $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
CFLAGS    ?= -O2 -g
# The two programs are linked with link-time optimisation, worth a quarter of the time per record;
# objects carry plain code too, which the many test programs link faster.
LTO       := $(if $(SAN)$(findstring clang,$(CC)),,-flto=auto)
AR        := $(if $(LTO),gcc-ar,ar)
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(if $(LTO),$(LTO) -ffat-lto-objects) $(WARN) $(HARDEN) $(SANFLAGS) \
	     -ffile-prefix-map=$(CURDIR)=.
LTO_LINK   = $(if $(LTO),$(LTO) -O3)
LDFLAGS   += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS)
LIBS       = $(shell $(PKG_CONFIG) --libs $(PKGS)) -lm -lpthread
CLI_LIBS   = $(shell $(PKG_CONFIG) --libs $(CLI_PKGS)) -lm
BPF_WARN  := -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wtautological-unsigned-zero-compare \
	     $(if $(WERROR),-Werror)
BPF_CFLAGS := -O2 -g -mcpu=v3 -target bpf $(BPF_WARN) -I. -ffile-prefix-map=$(CURDIR)=.

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/libsonde.a

.PHONY: all help deps test test-unit test-bpf test-fuzz test-e2e test-kernels test-k8s run bench lint format install \
	clean bpf-all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/sonded $(BUILD)/sonde $(BUILD)/demo compile_commands.json ## build everything

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo '  variables: V=1 WERROR=1 SAN=address,undefined SAN=thread CC=clang PREFIX= DESTDIR= BENCH= DEMO=0 TESTS='

deps: ## install the Debian packages that build and tests need
	$(Q)tools/dev/deps.sh

# ---- generated ------------------------------------------------------------------------------------
$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: %.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)protoc-c --c_out=$(GEN) $<

$(BUILD)/bpf/%/.dir:
	$(Q)mkdir -p $(@D) && touch $@

define bpf_arch
$$(BUILD)/bpf/$(1)/%.bpf.o: bpf/%.bpf.c $$(BUILD)/bpf/$(1)/.dir
	$$(call say,BPF,$$< ($(1)))
	$$(Q)$$(CLANG) $$(BPF_CFLAGS) -D__TARGET_ARCH_$(1) -isystem vmlinux/$(1) -MMD -MP -MF $$(@:.o=.d) -c $$< -o $$@
$$(BUILD)/bpf/$(1)/sonde.o: $$(BPF_SRC:bpf/%.bpf.c=$$(BUILD)/bpf/$(1)/%.bpf.o)
$$(BUILD)/bpf/$(1)/limit.o: $$(BUILD)/bpf/$(1)/limit.bpf.o
$$(BUILD)/bpf/$(1)/sonde.o $$(BUILD)/bpf/$(1)/limit.o:
	$$(call say,BPFLINK,$$@)
	$$(Q)$$(BPFTOOL) gen object $$@ $$^ && $$(LLVM_STRIP) -g $$@
endef
$(eval $(call bpf_arch,x86))
$(eval $(call bpf_arch,arm64))
bpf-all: $(foreach arch,x86 arm64,$(BUILD)/bpf/$(arch)/sonde.o $(BUILD)/bpf/$(arch)/limit.o) ## kernel objects for every architecture

$(GEN)/bpf/%.skel.h: $(BUILD)/bpf/$(ARCH)/%.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# ---- objects --------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c | $(SKEL) $(PB_C)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MD -MP -c $< -o $@

$(BUILD)/obj/gen/%.o: $(GEN)/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(CFLAGS) $(HARDEN) $(SANFLAGS) -w -c $< -o $@

LIB_OBJ := $(call obj,$(LIB_SRC)) $(PB_C:$(GEN)/%.c=$(BUILD)/obj/gen/%.o)
$(LIB): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/sonded: $(call obj,agent/main.c) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LTO_LINK) $(LDFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/sonde: $(call obj,$(CLI_SRC)) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(CLI_LIBS) $(LIBS)

$(BUILD)/demo: $(call obj,$(DEMO_SRC))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -lpthread

compile_commands.json: $(LIB_SRC) $(CLI_SRC) Makefile
	$(Q)$(PYTHON) tools/dev/compile_commands.py '$(CC) $(CPPFLAGS) -std=gnu11 $(WARN)' \
		agent/main.c $(LIB_SRC) $(CLI_SRC) $(DEMO_SRC) $(UNIT_SRC) > $@

# ---- tests ----------------------------------------------------------------------------------------
test_bin = $(patsubst %.c,$(BUILD)/%,$(1))
UNIT_BIN := $(call test_bin,$(UNIT_SRC))
BPFT_BIN := $(call test_bin,$(BPFT_SRC))
FUZZ_BIN := $(call test_bin,$(FUZZ_SRC))
BENCH_BIN := $(call test_bin,$(BENCH_SRC))
HELPER_BIN := $(call test_bin,$(HELPER_SRC))

# The command's own tests take it along, all but its main().
CLI_LIB := $(BUILD)/libcli.a
$(CLI_LIB): $(call obj,$(filter-out tools/sonde/main.c,$(CLI_SRC)))
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(filter $(BUILD)/tests/unit/tools/%,$(UNIT_BIN)): $(CLI_LIB)

$(UNIT_BIN) $(BPFT_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(if $(LTO),-fno-lto) $(LDFLAGS) $(filter %.o,$^) $(filter %/libcli.a,$^) $(LIB) \
		-o $@ -lcmocka $(if $(filter %/libcli.a,$^),$(CLI_LIBS)) $(LIBS)

$(BENCH_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LTO_LINK) $(LDFLAGS) $^ -o $@ $(LIBS)

$(HELPER_BIN): $(BUILD)/%: $(BUILD)/obj/%.o
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ -luring -lbpf -lpthread

# Fuzz targets carry their own sanitised build of the pure rooms.
FUZZ_FLAGS := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_LIB_SRC := $(filter-out agent/daemon/% agent/probe/% exporters/%,$(LIB_SRC)) \
		$(wildcard agent/daemon/config*.c agent/daemon/control*.c agent/probe/reader*.c) \
		agent/daemon/filter.c agent/daemon/loop.c
FUZZ_LIB_OBJ := $(FUZZ_LIB_SRC:%.c=$(BUILD)/obj/fuzz/%.o) $(PB_C:$(GEN)/%.c=$(BUILD)/obj/fuzz/gen/%.o)
$(BUILD)/obj/fuzz/gen/%.o: $(GEN)/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(FUZZ_FLAGS) -w -c $< -o $@
$(BUILD)/obj/fuzz/%.o: %.c | $(SKEL) $(PB_C)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MD -MP -c $< -o $@
$(BUILD)/fuzz/libsonde.a: $(FUZZ_LIB_OBJ)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/obj/fuzz/%.o $(BUILD)/fuzz/libsonde.a
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ -o $@ -lyaml -lprotobuf-c -ljansson -lm

TEST_PARTS := rules unit bpf fuzz e2e kernels
test: deps ## install what is missing, build, run every test
	$(Q)$(MAKE) -s --no-print-directory -j2 all bpf-all $(UNIT_BIN) $(BPFT_BIN) $(FUZZ_BIN) $(HELPER_BIN)
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) $(if $(TESTS),$(TESTS),$(TEST_PARTS))

test-unit: $(UNIT_BIN) ## unit tests
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) unit
test-bpf: all $(BPFT_BIN) ## programs loaded and driven (root)
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) bpf
test-fuzz: $(FUZZ_BIN) ## a short run of every fuzz target
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) fuzz
test-e2e: all $(HELPER_BIN) ## real servers and clients (root)
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) e2e
test-kernels: all $(BUILD)/tests/bpf/limit_cases_test ## other kernels under emulation (root)
	$(Q)$(PYTHON) tests/run.py --build $(BUILD) kernels

K8S ?= build/k8s
test-k8s: all ## pods as a real API server tells them (root; builds it once into K8S=, 20 minutes)
	$(Q)nice tests/kubernetes/build.sh $(K8S)
	$(Q)$(PYTHON) tests/kubernetes/pods_e2e.py --build $(BUILD) --tools $(K8S)

# ---- people ---------------------------------------------------------------------------------------
run: deps ## build, start the daemon, show live requests (DEMO=0: without the demonstration)
	$(Q)$(MAKE) -s --no-print-directory -j2 $(BUILD)/sonded $(BUILD)/sonde $(BUILD)/demo
	$(Q)DEMO=$(DEMO) BUILD=$(BUILD) tools/demo/run.sh

bench: all $(BENCH_BIN) $(HELPER_BIN) ## measure: BENCH=rr|churn|nginx|rate|replay|memory|...
	$(Q)$(PYTHON) tests/bench/run.py --build $(BUILD) $(BENCH)

lint: $(SKEL) $(PB_C) ## formatting, static analysis, house rules
	$(Q)clang-format --dry-run --Werror $(shell git ls-files '*.c' '*.h' ':!vmlinux/*')
	$(Q)$(PYTHON) tools/dev/check_includes.py
	$(Q)clang-tidy --quiet agent/main.c $(LIB_SRC) $(CLI_SRC) -- $(CPPFLAGS) -std=gnu11

format: ## rewrite with clang-format
	$(Q)clang-format -i $(shell git ls-files '*.c' '*.h' ':!vmlinux/*')

install: $(BUILD)/sonded $(BUILD)/sonde ## binaries, man pages, unit, config, completions
	$(Q)BUILD=$(BUILD) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) UNITDIR=$(UNITDIR) \
		tools/packaging/install.sh

clean: ## remove build/
	$(Q)rm -rf build compile_commands.json

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
