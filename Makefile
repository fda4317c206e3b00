# `make help` tells what there is. Every target makes what it needs; a second run does nothing twice.

# The newest Python that runs, unless PYTHON=... names one. Each candidate is tried: a pyenv shim, say, stands on PATH
# also for versions that are not active, and then only complains.
CANDIDATES := python3.15 python3.14 python3.13 python3.12 python3.11 python3 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[1-9].*/bin/python3)
find_python = for python in $(CANDIDATES); do \
	"$$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11)); ' 2>/dev/null && \
	"$$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.executable)'; \
	done | sort -V $(1) | head -n 1 | cut -d ' ' -f 2-
newest = $(or $(PYTHON),$(shell $(call find_python,-r)))
oldest = $(shell $(call find_python,))

VENV ?= .venv
BIN := $(VENV)/bin
# Two builds at once would move the finished library out of each other's reach.
MATURIN = flock Cargo.toml $(BIN)/maturin
LAB := $(BIN)/python -m lab.kvm
XEN_LAB := $(BIN)/python -m lab.xen
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What the benchmarks are set against, and what is fuzzed with, is no part of the workspace, and so of no sdist.
FLOOR := benches/floor/Cargo.toml
FUZZ := fuzz/Cargo.toml
RUST_SOURCES := Cargo.toml Cargo.lock $(wildcard rust/*/Cargo.toml) $(shell find rust -name '*.rs')
PACKAGE := pyproject.toml README.md $(wildcard LICENSE-*) $(shell find python -name '*.py' -o -name '*.pyi')

# The others read real devices by the compiled module, which is one and the same for every Python.
OF_EACH_PYTHON := python tests --ignore tests/real --ignore tests/soak

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run build test test-rust test-python test-oldest test-kvm kvm-packages lab-kvm lab-kvm-down test-xen lab-xen lab-xen-down lint format docs wheel bench bench-quick bench-report crossings instructions fuzz fuzz-long soak clean

help: ## Tell what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@printf '\nPYTHON=python3.12 chooses the interpreter that a virtual environment (VENV=.venv) is made with.\n'

run: build ## Build, then print three one-second reports of this machine
	$(BIN)/vmiostat -y 1 3

build: $(VENV)/.built ## Make the virtual environment and build the package into it (release)

test: test-rust lint test-python test-oldest ## All but fuzzing and the labs: Rust, lint, Python under the newest and the oldest version, benchmarks once

test-rust: ## Rust's unit, property and doc tests
	cargo test --locked -p vmiostat-core

test-python: $(VENV)/.built $(VENV)/.test ## Python's tests, and each benchmark once (PYTHON=... VENV=... for another version)
	$(BIN)/python -m pytest $(ARGS)

test-oldest: .venv/.built ## Python's tests but for those of real devices, under the oldest version on this machine (3.11 where there is one)
	@oldest='$(oldest)'; version='import sys; print(sys.version_info[:2])'; \
	if [ "$$("$$oldest" -c "$$version")" = "$$(.venv/bin/python -c "$$version")" ]; \
	then echo 'There is one Python on this machine, and the tests ran under it.'; \
	else $(MAKE) --no-print-directory test-python VENV=.venv-oldest PYTHON="$$oldest" ARGS="$(OF_EACH_PYTHON) $(ARGS)"; fi

test-kvm: $(VENV)/.built $(VENV)/.kvm ## Tests beside a real libvirtd with real guests (root, Debian; some five minutes; ARGS=...)
	@trap '$(LAB) down' EXIT; $(LAB) up && VMIOSTAT_KVM=1 $(BIN)/python -m pytest tests/kvm $(ARGS)

kvm-packages: $(VENV)/.venv ## Install what that libvirtd is made of; with its QEMU make test tests more (root, Debian)
	$(LAB) install

lab-kvm: $(VENV)/.venv ## Bring up that libvirtd and three guests, to try things on (docs/development/lab.md; LAB_GUESTS=...)
	$(LAB) up $(LAB_GUESTS)

lab-kvm-down: $(VENV)/.venv ## Take them down
	$(LAB) down

test-xen: wheel ## Tests in the dom0 of a real Xen, with the wheel (root, Debian; some four minutes, first eight; ARGS=...)
	@trap '$(XEN_LAB) down' EXIT; $(XEN_LAB) up && $(XEN_LAB) test dist/vmiostat-*.whl $(ARGS)

lab-xen: $(VENV)/.venv ## Bring up that Xen, in a machine that QEMU translates, and three guests (docs/development/lab.md)
	$(XEN_LAB) up

lab-xen-down: $(VENV)/.venv ## Take it down
	$(XEN_LAB) down

lint: $(VENV)/.built $(VENV)/.lint ## Formatting, lints, types, and the stub against the module
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest vmiostat._core --mypy-config-file pyproject.toml
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo fmt --check --manifest-path $(FLOOR)
	cargo clippy --locked --manifest-path $(FLOOR) --target-dir target -- -D warnings
	cargo fmt --check --manifest-path $(FUZZ)
	cargo clippy --locked --manifest-path $(FUZZ) --target-dir target --all-targets -- -D warnings

format: $(VENV)/.lint ## Format Rust and Python, and repair what the lints can
	cargo fmt
	cargo fmt --manifest-path $(FLOOR)
	cargo fmt --manifest-path $(FUZZ)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: build ## Write docs/abi.md and the stub's fields anew from the field table
	$(BIN)/python docs/abi.py

wheel: dist/.built ## Build the abi3 wheel and the sdist into dist/

bench: build $(VENV)/.test ## Measure everything beside everything (root: it makes its own devices; some five minutes)
	$(BIN)/python -m benches.run full $(ARGS)

bench-quick: build $(VENV)/.test ## The same with fewer devices, in about one minute
	$(BIN)/python -m benches.run quick $(ARGS)

bench-report: build $(VENV)/.bench ## Make the README's performance section and docs/development/performance.* of what `make bench` saved
	$(BIN)/python -m benches.report $(ARGS)

crossings: build $(VENV)/.test ## Measure what the choice between sources is made by (root)
	$(BIN)/python -m benches.crossings

instructions: build $(VENV)/.test ## Count the instructions of polls anew, and write down what tests hold them to (root, valgrind)
	$(BIN)/python -m benches.instructions

# Each target is a program of its own, and no part of the workspace either. In its folder is how cargo is to build it.
fuzz: fuzz/target/.built $(VENV)/.built $(VENV)/.fuzz ## Fuzz every parser for SECONDS each (5)
	$(BIN)/python fuzz/run.py seconds $(or $(SECONDS),5)

fuzz-long: fuzz/target/.built $(VENV)/.built $(VENV)/.fuzz ## Fuzz every parser until it has had EXECUTIONS inputs (100,000,000); goes on where it was stopped
	$(BIN)/python fuzz/run.py executions $(or $(EXECUTIONS),100000000)

soak: build $(VENV)/.test ## Poll at 100 Hz for SECONDS (3600) while devices come and go, and print what that took (root)
	$(BIN)/python -m tests.soak $(or $(SECONDS),3600)

clean: ## Remove everything that was built
	rm -rf .venv .venv-* target fuzz/target fuzz/runs dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/vmiostat/*.so

$(VENV)/.venv:
	@test -n "$(newest)" || { echo 'No Python 3.11 or newer with venv and pip on this machine: install one (Debian: python3-venv).' >&2; exit 1; }
	"$(newest)" -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	touch $@

$(VENV)/.built: $(RUST_SOURCES) pyproject.toml | $(VENV)/.venv
	$(BIN)/python -m pip install -q --group build
	VIRTUAL_ENV=$(abspath $(VENV)) $(MATURIN) develop --release --locked
	touch $@

# pip knows dependency groups since 25.1: the venv's own has just been upgraded.
$(VENV)/.test $(VENV)/.lint $(VENV)/.bench $(VENV)/.kvm $(VENV)/.fuzz: $(VENV)/.%: pyproject.toml | $(VENV)/.venv
	$(BIN)/python -m pip install -q --group $*
	touch $@

fuzz/target/.built: $(shell find fuzz/src fuzz/.cargo -type f) fuzz/Cargo.toml fuzz/Cargo.lock $(RUST_SOURCES)
	cd fuzz && cargo build --release --locked --target-dir target
	touch $@

dist/.built: $(RUST_SOURCES) $(PACKAGE) | $(VENV)/.built
	rm -rf dist
	$(MATURIN) build --release --locked --sdist --out dist
	touch $@
