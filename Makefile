# `make` alone lists the targets. Everything a target needs, it installs into .venv first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# Two workers by default: the suite starts clusters and processes of its own.
PYTEST_WORKERS ?= auto

# Bytecode makes every start of kapp faster; some environments turn it off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@python=$$(for name in "$${PYTHON:-python3}" python3.13 python3.12 python3.11; do \
	  "$$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    && { echo "$$name"; break; }; done); \
	if [ -z "$$python" ]; then \
	  echo "kapp needs Python 3.11 or newer with its venv module; none was found" >&2; \
	  echo "hint: install one, or name it: make PYTHON=/path/to/python3 …" >&2; exit 1; \
	fi; \
	"$$python" -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing kapp into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . >&2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the development tools into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' >&2
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Install kapp into .venv

.PHONY: dev
dev: $(VENV)/.installed-dev ## Install kapp and the development tools into .venv

.PHONY: example
example: $(VENV)/.installed ## Run the example: kapp up on examples/Kappfile
	@$(BIN)/kapp up --stream -f examples/Kappfile || test $$? -eq 130  # Ctrl-C is no failure

.PHONY: check
check: lint types layers test ## All that CI proves: lint, types, layers, tests

.PHONY: lint
lint: $(VENV)/.installed-dev ## Formatting and lint rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.installed-dev ## Static types, strict
	$(BIN)/mypy

.PHONY: layers
layers: $(VENV)/.installed-dev ## The import contract of ARCHITECTURE.md
	$(BIN)/lint-imports

.PHONY: test
test: $(VENV)/.installed-dev ## The test suite
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal

# Seconds for a few thousand requests; a seed of your own: make fuzz KAPP_FUZZ_SEED=…
.PHONY: fuzz
fuzz: $(VENV)/.installed-dev ## Far more random requests than make check sends
	KAPP_FUZZ_REQUESTS=$${KAPP_FUZZ_REQUESTS:-100000} \
	  KAPP_FUZZ_SEED=$${KAPP_FUZZ_SEED:-$$RANDOM} \
	  $(BIN)/pytest -n 0 --timeout=3600 tests/fuzz

.PHONY: format
format: $(VENV)/.installed-dev ## Format the code in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# On another cluster than the embedded one: make bench BENCH="--kubeconfig PATH"
.PHONY: bench
bench: $(VENV)/.installed-dev ## The budgets, measured; writes the table of docs/performance.md
	@$(BIN)/python -m benchmarks $(BENCH) --write docs/performance.md

.PHONY: reference
reference: $(VENV)/.installed-dev ## Write docs/reference/ from the code
	@$(BIN)/python tools/generate_reference.py

.PHONY: clean
clean: ## Remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What these make lies outside the checkout (tests/realcluster/README.md); a cluster of your own
# instead: KAPP_TEST_KUBECONFIG=PATH make check-real.
REAL_CLUSTER := $(BIN)/python -m tests.realcluster

.PHONY: real-cluster
real-cluster: $(VENV)/.installed-dev ## Start a real Kubernetes on loopback (Linux, root, Go)
	@$(REAL_CLUSTER) start

.PHONY: real-cluster-stop
real-cluster-stop: $(VENV)/.installed-dev ## Remove it, and all it made
	@$(REAL_CLUSTER) stop

.PHONY: check-real
check-real: $(VENV)/.installed-dev ## The journeys and conformance tests against it
	@$(REAL_CLUSTER) check

.PHONY: check-real-if-possible
check-real-if-possible: $(VENV)/.installed-dev ## The same; says loudly where it cannot run
	@$(REAL_CLUSTER) check-if-possible

.PHONY: check-kills
check-kills: $(VENV)/.installed-dev ## A hundred kill -9 of kapp, each at another moment of an apply
	KAPP_TEST_KILLS=100 $(BIN)/pytest -n 0 tests/journeys/test_killed.py
