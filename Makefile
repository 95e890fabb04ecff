# make lab    JupyterLab on notebooks/00_hello.ipynb, everything installed first
# make test   all that is checked before a change goes in
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed
MODULES := widget/node_modules/.installed
STATIC := imkit/notebook/static
BUNDLE := widget.js widget.css surface.js surface.css
PYTEST := $(BIN)/pytest -q

.PHONY: help pictures lab test test-unit test-notebooks test-browser test-serve test-killed lint types widget widget-check bench bench-browser system clean

help:
	@echo 'make lab            open JupyterLab on the first notebook'
	@echo 'make test           everything: widget, lint, types, unit, notebooks, browser'
	@echo 'make test-unit      Python tests without a browser        (k=NAME for some of them)'
	@echo 'make test-browser   real JupyterLab in real Chromium      (k=NAME for some of them)'
	@echo 'make test-serve     background models against a real transformers server'
	@echo 'make test-killed    fifty recordings killed at random moments'
	@echo 'make widget         build the front end into $(STATIC)'
	@echo 'make bench          measure this machine against the targets; bench-browser for its browser rows'

# The environment. Made once; again when what it is made from changes.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "imkit needs Python 3.11 or newer; say which: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -U pip
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt -e . --group dev
	@touch $@

$(MODULES): widget/package-lock.json
	@command -v node >/dev/null && node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' \
	  || { echo 'the widget needs Node.js 20 or newer and npm: see https://nodejs.org'; exit 1; }
	cd widget && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

lab: $(INSTALLED)
	$(BIN)/imkit lab

test: system $(INSTALLED)
	@$(MAKE) --no-print-directory widget-check lint types test-unit test-notebooks test-browser
	@echo 'make test: all passed'

system:
	@.ci/system

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

test-unit: $(INSTALLED)
	$(PYTEST) -m 'not browser and not slow' $(if $(k),-k '$(k)')

test-notebooks: $(INSTALLED)
	$(PYTEST) --nbval-lax --nbval-cell-timeout=300 -p no:cacheprovider notebooks

test-browser: $(INSTALLED)
	$(PYTEST) -m 'browser and not slow' $(if $(k),-k '$(k)')

# A real chat server with a model taught on the spot; a minute or two, so not part of make test.
test-serve: $(INSTALLED)
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt 'transformers[serving]'
	$(PYTEST) -m slow tests/background/test_serve.py

# Fifty recordings killed at random moments; minutes, so not part of make test.
test-killed: $(INSTALLED)
	$(PYTEST) -s -m slow tests/recordings/test_killed.py

widget: $(MODULES)
	cd widget && npm run --silent build

# Types, tests, and that the committed bundle is the one that this source builds.
widget-check: $(MODULES)
	cd widget && npm run --silent check && npm test --silent
	@before=$$(mktemp -d) && (cd $(STATIC) && cp $(BUNDLE) "$$before") \
	&& (cd widget && npm run --silent build) \
	&& for name in $(BUNDLE); do cmp "$$before/$$name" "$(STATIC)/$$name" || exit 1; done \
	&& rm -r "$$before" \
	|| { echo 'the bundle in $(STATIC) was stale; it is rebuilt now, commit it'; exit 1; }

bench: $(INSTALLED)
	$(BIN)/imkit bench

# Prints round trips, and the time from the end of a spoken question to the first sound in the browser.
bench-browser: $(INSTALLED)
	$(PYTEST) -s -m browser tests/browser/test_talk_browser.py

# The pictures of the README, from a real session.
pictures: $(INSTALLED)
	$(BIN)/python tests/browser/pictures.py

clean:
	rm -rf .venv widget/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
