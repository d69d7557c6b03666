# Every target sets up what it needs (tools/setup.sh); nothing has to run before it.
# On a fresh Debian 12: apt-get install -y git make, then `make run` or `make test`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The virtual line: make run DEVICES=20 RATE=30 WAN=down
DEVICES ?= 4
RATE ?= 2
WAN ?= up

# More words for pytest: make test ARGS="-k receipt -x"
ARGS ?=

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
NEEDS_A_MACHINE := broker or browser or crash or network or journey

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- to use it

.PHONY: run
run: ready-run ## broker, gateway, cloud stand-in, virtual line (DEVICES=4 RATE=2 WAN=up)
	@exec $(BIN)/python -m hil.virtualline run --dir .site \
	  --devices $(DEVICES) --rate $(RATE) --wan $(WAN)

# ---------------------------------------------------------------- to work on it

.PHONY: setup
setup: ready-test ## packages, environment, the hooks of git
	@$(BIN)/pre-commit install || echo "no hooks: this is not a git checkout of its own" >&2

.PHONY: test
test: ready-test ## all tests but the long forms; the continuous integration runs it
	@$(PYTEST) $(if $(CI),--durations=15) $(ARGS)

# Pure code, and services on fakes; real models and processes are left to make test. In two halves,
# side by side: the second is whatever the first does not name, so that no test is forgotten.
FIRST_HALF := tests/app tests/spool tests/store tests/uplink tests/web
QUICK := $(PYTEST) -q -m "not ($(NEEDS_A_MACHINE))"

.PHONY: quick quick-first quick-second
quick: ready-dev ## pure code, and services on fakes: needs no broker, no browser, no root
	@$(MAKE) -k -j2 --output-sync=target quick-first quick-second
quick-first: ready-dev
	@$(QUICK) $(FIRST_HALF) $(ARGS)
quick-second: ready-dev
	@$(QUICK) tests --ignore=tests/hil $(FIRST_HALF:%=--ignore=%) $(ARGS)

.PHONY: check
check: ready-dev ## lint and quick side by side, before a push; under a minute
	@$(MAKE) -k -j3 --output-sync=target lint quick-first quick-second

.PHONY: fmt
fmt: ready-dev ## format, and repair what ruff can repair
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: lint
lint: lint-mypy lint-pyright lint-ruff lint-format lint-imports lint-shell ## ruff, mypy, basedpyright, layers of imports, shell scripts

.PHONY: lint-ruff lint-format lint-mypy lint-pyright lint-imports lint-shell
lint-ruff: ready-dev
	@$(BIN)/ruff check --quiet
lint-format: ready-dev
	@$(BIN)/ruff format --check --quiet || { echo "not formatted: make fmt" >&2; exit 1; }
lint-mypy: ready-dev
	@$(BIN)/mypy --no-error-summary
lint-pyright: ready-dev
	@$(BIN)/basedpyright --level error
lint-imports: ready-dev
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }
lint-shell: # make test installs shellcheck; without it, the other checks still count
	@! command -v shellcheck >/dev/null || shellcheck tools/*.sh .ci/run

.PHONY: crash
crash: ready-test ## kill -9 and full disks, the long form: 200 rounds
	@$(PYTEST) -m crash --rounds=200 $(ARGS)

.PHONY: bench
bench: ready-test ## the numbers, each beside a reference measured in the same run
	@$(BIN)/python -m tests.benchmarks.run $(ARGS)

# ---------------------------------------------------------------- to make what is committed

.PHONY: docs
docs: ready-dev ## docs/configuration.md and docs/problems.md, from the code
	@$(BIN)/python -m tools.reference

.PHONY: vectors
vectors: ready-dev ## test vectors anew from their generators; fails when that changes one
	@sh tools/vectors.sh

.PHONY: lock
lock: ready-dev ## requirements*.lock anew from pyproject.toml
	@sh tools/lock.sh

.PHONY: clean
clean: ## environment, caches and artefacts away; .site, the virtual line's state, stays
	@rm -rf .venv .artefacts build dist .coverage* .hypothesis .mypy_cache .ruff_cache \
	  .pytest_cache .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- machinery

.PHONY: ready-dev ready-run ready-test
ready-dev ready-run ready-test:
	@sh tools/setup.sh $(@:ready-%=%)
