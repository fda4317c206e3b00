# `make help` lists the targets. Each makes what it needs first; a second run does nothing twice.

# The newest Python that runs, unless PYTHON=... names one. Each candidate is tried: pyenv, for example, puts shims on PATH
# for versions that are not active, and those fail.
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
# Two builds at once would each move the library that the other has finished.
MATURIN = flock Cargo.toml $(BIN)/maturin
LAB := $(BIN)/python -m lab.kvm
XEN_LAB := $(BIN)/python -m lab.xen
KERNELS_LAB := $(BIN)/python -m lab.kernels
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# As maturin sets it: with another value cargo would compile pyo3 again.
export PYO3_BUILD_EXTENSION_MODULE := 1

# The benchmarks' floor and the fuzz targets are not in the workspace, so that the sdist does not need them.
FLOOR := benches/floor/Cargo.toml
FUZZ := fuzz/Cargo.toml
RUST_SOURCES := Cargo.toml Cargo.lock $(wildcard rust/*/Cargo.toml) $(shell find rust -name '*.rs')
PACKAGE := pyproject.toml README.md $(wildcard LICENSE-*) $(shell find share.data -type f) $(shell find python -name '*.py' -o -name '*.pyi')

PYTEST := $(BIN)/python -m pytest
# Most tests wait more than they compute. Those that other tests would disturb follow, one at a time.
WORKERS ?= $(shell echo $$((2 * $$(nproc))))
PARALLEL := --tx '$(WORKERS)*popen//python=tests/worker $(BIN)/python' --dist worksteal
ALONE := timing or alone
QUICK := python tests --ignore tests/real --ignore tests/faults --ignore tests/soak --ignore tests/kvm --ignore tests/xen --ignore tests/kernels
# The rest read real devices with the compiled module, which is the same for every Python.
OF_EACH_PYTHON := python tests --ignore tests/real --ignore tests/soak

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run build check test test-rust test-python test-quick test-oldest coverage test-kvm kvm-packages lab-kvm lab-kvm-down test-xen lab-xen lab-xen-down test-kernels lab-kernels lab-kernels-down lint msrv format docs wheel bench bench-programs bench-quick bench-report crossings instructions fuzz fuzz-long soak clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16
	@printf '\nPYTHON=python3.12 chooses the interpreter of a new virtual environment (VENV=.venv).\n'

run: build ## Build, then print three one-second reports of this machine
	$(BIN)/vmiostat -y 1 3

build: $(VENV)/.built ## Make the virtual environment and build the package into it (release)

check: lint msrv test-rust test-quick ## For every change: lint, Rust's tests, Python's quick tests (two minutes on two cores)

test: lint test-rust test-python test-oldest ## Before a merge: lint, Rust's tests, Python's under the newest and the oldest version (eight minutes)

test-rust: ## Rust's unit, property and doc tests
	cargo test --locked -p vmiostat-core

test-python: $(VENV)/.built $(VENV)/.test bench-programs wheel ## Python's tests, and each benchmark once (ARGS=tests/cli for some of them; PYTHON=... VENV=... for another version)
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	@$(PYTEST) $(PARALLEL) -m 'not ($(ALONE))' $(COVERAGE) $(TESTS); status=$$?; \
	$(PYTEST) -m '$(ALONE)' $(TESTS) && exit $$status
endif

test-quick: $(VENV)/.built $(VENV)/.test ## Python's tests but for slow ones and those of real devices
	$(PYTEST) $(PARALLEL) -m 'not (slow or $(ALONE))' $(QUICK)

test-oldest: .venv/.built ## Python's tests but for those of real devices, under the oldest version on this machine from 3.11
	@oldest='$(oldest)'; version='import sys; print(sys.version_info[:2])'; \
	if [ "$$("$$oldest" -c "$$version")" = "$$(.venv/bin/python -c "$$version")" ]; \
	then echo 'There is one Python on this machine, and the tests ran under it.'; \
	else $(MAKE) --no-print-directory test-python VENV=.venv-oldest PYTHON="$$oldest" TESTS="$(OF_EACH_PYTHON)" COVERAGE=; fi

coverage: ## test-python, and fail if it covers less of the package than pyproject.toml's fail_under
	$(MAKE) --no-print-directory test-python COVERAGE='--cov'

test-kvm: $(VENV)/.built $(VENV)/.kvm ## Tests with a real libvirtd and real guests (root, Debian; some five minutes; ARGS=...)
	@trap '$(LAB) down' EXIT; $(LAB) up && VMIOSTAT_KVM=1 $(BIN)/python -m pytest tests/kvm $(ARGS)

kvm-packages: $(VENV)/.venv ## Install that libvirtd and its QEMU, with which make test runs more tests (root, Debian)
	$(LAB) install

lab-kvm: $(VENV)/.venv ## Start that libvirtd and three guests, to try things on (docs/development/lab.md; LAB_GUESTS=...)
	$(LAB) up $(LAB_GUESTS)

lab-kvm-down: $(VENV)/.venv ## Stop them
	$(LAB) down

test-xen: wheel ## Tests in the dom0 of a real Xen, with the wheel (root, Debian; four minutes, the first time eight; ARGS=...)
	@trap '$(XEN_LAB) down' EXIT; $(XEN_LAB) up && $(XEN_LAB) test dist/vmiostat-*.whl $(ARGS)

lab-xen: $(VENV)/.venv ## Start that Xen, in an emulated machine, and three guests (docs/development/lab.md)
	$(XEN_LAB) up

lab-xen-down: $(VENV)/.venv ## Stop it
	$(XEN_LAB) down

test-kernels: wheel $(VENV)/.test ## Tests of the wheel under several Debian kernels (root, Debian; some six minutes; KERNELS=... ARGS=...)
	@trap '$(KERNELS_LAB) down' EXIT; \
	$(KERNELS_LAB) test $(addprefix --kernel ,$(KERNELS)) dist/vmiostat-*.whl $(ARGS) \
	$(if $(KERNELS)$(ARGS),,&& VMIOSTAT_KERNELS=1 $(PYTEST) tests/kernels/from_outside)

lab-kernels: $(VENV)/.venv ## Boot machines with these kernels and this machine's root, to try things in (docs/development/lab.md; KERNELS=6.12)
	$(KERNELS_LAB) up $(KERNELS)

lab-kernels-down: $(VENV)/.venv ## Take them down
	$(KERNELS_LAB) down

lint: $(VENV)/.built $(VENV)/.lint ## Formatting, lints, types, typos, and the stub against the module
	$(BIN)/typos
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/stubtest vmiostat._core --mypy-config-file pyproject.toml
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo fmt --check --manifest-path $(FLOOR)
	cargo clippy --locked --manifest-path $(FLOOR) --target-dir target -- -D warnings
	cargo fmt --check --manifest-path $(FUZZ)
	cargo clippy --locked --manifest-path $(FUZZ) --target-dir target --all-targets -- -D warnings

msrv: $(VENV)/.test ## Check that the Rust version in Cargo.toml is enough, for the project's code and its dependencies
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(PYTEST) tests/house/test_msrv.py

format: $(VENV)/.lint ## Format Rust and Python, and apply the lints' fixes
	cargo fmt
	cargo fmt --manifest-path $(FLOOR)
	cargo fmt --manifest-path $(FUZZ)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: build ## Write docs/abi.md and the JSON Schema from the field table, the stub, and the man page and completions
	$(BIN)/python docs/generate/abi.py
	$(BIN)/python docs/generate/stub.py
	$(BIN)/python -m docs.generate.schema
	$(BIN)/python -m docs.generate.man_page
	$(BIN)/python -m docs.generate.completions

wheel: dist/.built ## Build the abi3 wheel and the sdist into dist/

# Built beforehand: a test that had to build one would reach its time limit.
bench-programs: ## Build the Rust programs that benchmarks run
	cargo build -q --release --locked --manifest-path $(FLOOR) --target-dir target
	cargo build -q --release --locked --manifest-path rust/core/Cargo.toml --target-dir target --example instructions --features rustix/use-libc

bench: build bench-programs $(VENV)/.test ## Measure vmiostat against bare system calls, psutil and others, on devices of its own (root; some five minutes)
	$(BIN)/python -m benches.run full $(ARGS)

bench-quick: build bench-programs $(VENV)/.test ## The same with fewer devices, in about one minute
	$(BIN)/python -m benches.run quick $(ARGS)

bench-report: build $(VENV)/.bench ## Make the README's performance section and docs/development/performance.* from what `make bench` saved
	$(BIN)/python -m benches.report $(ARGS)

crossings: build bench-programs $(VENV)/.test ## Measure the costs that the choice between sources is based on (root)
	$(BIN)/python -m benches.crossings

instructions: build bench-programs $(VENV)/.test ## Count the instructions of polls, and record them for the tests to compare with (root, valgrind)
	$(BIN)/python -m benches.instructions

# fuzz/.cargo/config.toml holds the compiler's options, so cargo has to run there.
fuzz: fuzz/target/.built $(VENV)/.built $(VENV)/.fuzz ## Fuzz every parser for SECONDS each (5)
	$(BIN)/python fuzz/run.py seconds $(or $(SECONDS),5)

fuzz-long: fuzz/target/.built $(VENV)/.built $(VENV)/.fuzz ## Fuzz every parser with EXECUTIONS inputs (100,000,000); continues where it was stopped
	$(BIN)/python fuzz/run.py executions $(or $(EXECUTIONS),100000000)

soak: build $(VENV)/.test ## Poll at 100 Hz for SECONDS (3600) while devices come and go, then as long under a stress of identities (root)
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

ifneq ($(VENV),.venv-oldest)
$(VENV)/.built: $(RUST_SOURCES) pyproject.toml | $(VENV)/.venv
	$(BIN)/python -m pip install -q --group build
	VIRTUAL_ENV=$(abspath $(VENV)) $(MATURIN) develop --release --locked
	touch $@
else # One compiled module serves every Python: this environment takes that of .venv.
$(VENV)/.built: .venv/.built | $(VENV)/.venv
	$(BIN)/python -m pip install -q $$($(BIN)/python -c \
		'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
	cp -r .venv/lib/python3.*/site-packages/vmiostat* $(VENV)/lib/python3.*/site-packages/
	sed '1s|.*|#!$(abspath $(BIN))/python|' .venv/bin/vmiostat >$(BIN)/vmiostat && chmod +x $(BIN)/vmiostat
	touch $@
endif

# pip knows dependency groups since 25.1: the venv's own has just been upgraded.
$(VENV)/.test $(VENV)/.lint $(VENV)/.bench $(VENV)/.kvm $(VENV)/.fuzz: $(VENV)/.%: pyproject.toml | $(VENV)/.venv
	$(BIN)/python -m pip install -q --group $*
	touch $@

fuzz/target/.built: $(shell find fuzz/src fuzz/.cargo -type f) fuzz/Cargo.toml fuzz/Cargo.lock $(RUST_SOURCES)
	cd fuzz && cargo build --release --locked --target-dir target
	touch $@

# The wheel is built from the sdist, in a target folder of its own: cargo takes the workspace's crates and the sdist's for
# the same. The unpacked files are new (-m), and so compiled.
dist/.built: $(RUST_SOURCES) $(PACKAGE) | $(VENV)/.built
	rm -rf dist target/sdist
	$(MATURIN) sdist --out dist
	mkdir target/sdist && tar -xmf dist/*.tar.gz -C target/sdist --strip-components 1
	cd target/sdist && VIRTUAL_ENV=$(abspath $(VENV)) CARGO_TARGET_DIR=$(abspath target/wheel) \
		$(abspath $(BIN))/maturin build --release --locked --out $(abspath dist)
	touch $@
