# Each target sets up what it needs, in .venv of this folder; no step needs root.
.DEFAULT_GOAL := help
.PHONY: help demo test nightly coverage fast integration lint format docs bench clean

VENV := .venv
BIN := $(VENV)/bin
# the first Python that render-python can run on; PYTHON=... chooses another
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
SOURCES := requirements.txt setup.py pyproject.toml
# processes that run tests: twice the cores, because tests also wait for programs and services
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))
# the tests of a file share what its fixtures start; tests/conftest.py puts the files that take long first
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# tests start hundreds of programs, which would each compile their modules without cached bytecode
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

demo: $(VENV)/.demo ## simulate a section, ingest it, draw it: demo_output/section.png
	$(BIN)/python -m asap_ingest demo $(ARGS)

test: $(VENV)/.test ## all tests but the long ones
	$(BIN)/python -m pytest $(SPREAD) -m "not long" $(ARGS)

nightly: $(VENV)/.test ## the long tests, and the property tests with all their examples
	$(BIN)/python -m pytest $(SPREAD) -m "long or nightly" --hypothesis-profile nightly $(ARGS)

coverage: $(VENV)/.coverage ## the tests of `make test`, with the share of lines they run
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD) -m "not long" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fast: $(VENV)/.test ## the tests without a service, a browser and most other programs
	$(BIN)/python -m pytest $(SPREAD) -m "not slow and not long" $(ARGS)

integration: $(VENV)/.test ## render-python against a service: the embedded one, or that of RENDER_HOST
	$(BIN)/python -m pytest integration_tests $(ARGS)

lint: $(VENV)/.lint ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.lint ## format the code as lint wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(VENV)/.docs ## the documentation site, every link checked: build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet $(ARGS)

bench: $(VENV)/.bench ## measure; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,bench]"
	@touch $@

$(VENV)/.docs: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@ $(VENV)/.demo

$(VENV)/.coverage: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,coverage]"
	@touch $@

clean: ## remove what make made
	rm -rf $(VENV) demo_output build *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; found: $$(python3 --version 2>&1)"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 -m venv failed; on Debian and Ubuntu it is in the package python3-venv"; exit 1; }

$(VENV)/.demo: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@ $(VENV)/.demo

$(VENV)/.lint: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,lint]"
	@touch $@ $(VENV)/.test $(VENV)/.demo
