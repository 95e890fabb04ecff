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

.PHONY: help docs docs-pictures pictures lab test test-unit test-notebooks test-browser test-serve test-ray test-guests test-firefox test-killed test-hosts test-soak fuzz audit release-check lint types widget widget-check bench bench-browser system clean

help:
	@echo 'make lab            open JupyterLab on the first notebook'
	@echo 'make test           everything: widget, lint, types, unit, notebooks, browser'
	@echo 'make test-unit      Python tests without a browser        (k=NAME for some of them)'
	@echo 'make test-browser   real JupyterLab in real Chromium      (k=NAME for some of them)'
	@echo 'make test-serve     background models against a real transformers server'
	@echo 'make test-ray       two replicas on a real Ray Serve, one killed under load'
	@echo 'make test-guests    every guest, tiny, plays all twelve scenes'
	@echo 'make test-firefox   JupyterLab in Firefox (needs firefox-esr and pulseaudio)'
	@echo 'make test-hosts     marimo, kernels of other versions, plain http from another machine'
	@echo 'make test-killed    fifty recordings killed at random moments'
	@echo 'make test-soak      100 sessions, 100 kernel restarts, 50 reloads: nothing may be left'
	@echo 'make fuzz           100,000 hostile inputs for each reader of what strangers send (n=NUMBER for fewer)'
	@echo 'make audit          known faults of what is installed, and whether all of it is pinned'
	@echo 'make release-check  builds the wheel and the sdist, and refuses them when something is missing'
	@echo 'make widget         build the front end into $(STATIC)'
	@echo 'make docs            build the documentation into build/docs (docs-pictures draws its pictures)'
	@echo 'make bench          measure this machine against the targets; bench-browser for its browser rows'

# The environment. Made once; again when what it is made from changes.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "imkit needs Python 3.11 or newer; say which: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -U pip
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt -e . --group dev --group docs
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

test-browser: $(INSTALLED) $(MODULES)
	$(PYTEST) -m 'browser and not slow' $(if $(k),-k '$(k)')

# A real chat server with a model taught on the spot; a minute or two, so not part of make test.
test-serve: $(INSTALLED)
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt 'transformers[serving]'
	$(PYTEST) -m slow tests/background/test_serve.py

# Replicas on a real Ray Serve, one of them killed; a minute or two, so not part of make test.
test-ray: $(INSTALLED)
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt 'ray[serve]'
	$(PYTEST) -m 'slow or not slow' tests/serve/test_ray.py tests/serve/test_ray_cluster.py

# Four trials of each of the twelve scenes for each guest; minutes, so not part of make test, which plays one scene.
test-guests: $(INSTALLED)
	$(PYTEST) -m slow tests/adapters/test_guests_eval.py

# JupyterLab in a real Firefox, by Mozilla's own client; half a minute, and two Debian packages, so not part of make test.
test-firefox: $(INSTALLED)
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt marionette_driver
	$(PYTEST) -rs -m slow tests/browser/test_firefox.py

# Fifty recordings killed at random moments; minutes, so not part of make test.
test-killed: $(INSTALLED)
	$(PYTEST) -s -m slow tests/recordings/test_killed.py

# marimo and other kernels, each in a throw-away environment; minutes and a network, so not part of make test.
test-hosts: $(INSTALLED)
	$(PYTEST) -s -m slow tests/browser/test_other_hosts.py

# A hundred sessions opened and closed, a hundred kernel restarts, fifty reloads of a real page; half an hour.
# Fewer: IMKIT_SOAK_RESTARTS=3 IMKIT_SOAK_RELOADS=3 make test-soak
test-soak: $(INSTALLED)
	$(PYTEST) -s -m slow tests/notebook/test_open_close.py tests/browser/test_soak_browser.py

# Hostile input at scale; some minutes, so not part of make test, which makes a few of each.
fuzz: $(INSTALLED)
	IMKIT_FUZZ=$(or $(n),100000) $(PYTEST) -m fuzz --durations=0 -p no:cacheprovider
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt atheris && PYTHONPATH=. $(BIN)/python \
	  tests/fuzz_with_atheris.py -atheris_runs=$(or $(n),100000) -artifact_prefix=build/

# A wheel and an sdist in dist/: all there, and working in an empty environment without a network.
release-check: $(INSTALLED)
	rm -rf dist build/release
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt build
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m build --quiet --outdir dist .
	$(BIN)/python .ci/release_check.py dist --version '$(VERSION)'
	$(BIN)/python -m venv build/release/venv
	build/release/venv/bin/python -m pip install -q $(PIP_FLAGS) -c constraints.txt dist/*.whl
	cd build/release && venv/bin/imkit check && venv/bin/imkit demo --force --out demo
	cd build/release && venv/bin/python -c 'import imkit; s = imkit.Session(); s._repr_mimebundle_(); s.run(seconds=1); s.close()'
	@echo 'make release-check: dist/ can be published'

# Known faults of what is installed, by pip-audit; says so where it cannot ask.
audit: $(INSTALLED)
	$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt pip-audit
	$(BIN)/python .ci/audit.py $(if $(strict),--strict)

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

# The documentation, without a network: every warning is an error. The tests build it too.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'read it: $(BIN)/python -m http.server -d build/docs'

docs-pictures: $(INSTALLED)
	$(BIN)/python docs/pictures.py

clean:
	rm -rf .venv build/docs widget/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
