# SPDX-License-Identifier: Apache-2.0
# A menu over meson: every entry is one line of work. `make help` prints it.

BUILD := build
MESON := $(BUILD)/meson
PREFIX ?= /usr/local
MESON_FLAGS ?= --prefix=$(PREFIX)
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60

.PHONY: all build run test check format bench bench-peers fuzz test-sanitized vm-test install uninstall clean help setup
.DEFAULT_GOAL := all

all: build ## build the programs into build/bin/

setup:
	@tools/setup build

$(MESON)/build.ninja: | setup
	@meson setup $(MESON) $(MESON_FLAGS) >/dev/null || { cat $(MESON)/meson-logs/meson-log.txt; exit 1; }

build: setup $(MESON)/build.ninja
	@ninja -C $(MESON) --quiet
	@tools/copy-programs $(MESON) $(BUILD)/bin
	@tools/make-embedded $(BUILD)/share/bothy/embedded/rootfs

run: build ## build, then run a container from the built-in image and look around in it
	@tools/tour $(BUILD)/bin/bothy

test: build ## every test; the last line says how many passed and failed
	@tools/setup test
	@tools/run-tests --build $(BUILD) $(SUITES)

check: build ## every lint: format, layers, banned calls, headers, clang, analysers, spelling
	@tools/setup check
	@tools/check

format: ## format the C files with clang-format 14
	@tools/setup check
	@tools/format

bench: build ## measure against the peers that are installed
	@bench/run --bin $(BUILD)/bin

bench-peers: ## install the peers to measure against
	@tools/setup peers

fuzz: setup ## fuzz each target for FUZZ_SECONDS (default 60) with libFuzzer
	@tools/setup check
	@tools/fuzz $(BUILD) $(FUZZ_SECONDS)

test-sanitized: setup ## the integration tests about images, with AddressSanitizer and UBSan in the programs
	@tools/setup test
	@tools/test-sanitized $(BUILD)

vm-test: build ## the integration tests in a small virtual machine with cgroup v2 and AppArmor
	@tools/setup test
	@tests/vm/run --bin $(BUILD)/bin --integration --as root,tester --timeout 3600

install: build ## install into PREFIX (default /usr/local)
	@meson install -C $(MESON) --no-rebuild

uninstall: ## remove what install put there
	@ninja -C $(MESON) --quiet uninstall

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
