# Everything sets itself up: Python 3.10+ with pip, make and git are enough.
SHELL := /bin/bash
export COMPAT_HOME ?= $(CURDIR)/.compat
export COMPAT_CACHE ?= $(COMPAT_HOME)/cache
# uv alone would trust none of the certificates that this machine has, as pip and git do.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/* /etc/ssl/cert.pem /etc/pki/tls/certs/*),true,false)
export UV_CACHE_DIR ?= $(COMPAT_CACHE)/uv
# Hundreds of processes start here; without it each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
# Two test processes for each core fill each other's waits; each needs some 1 GB with what it starts.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((cores < 4 ? 2 * cores : 8)))
BIN := .venv/bin
READY := .venv/.ready
BOOTSTRAP := .compat/bootstrap
UV := $(shell command -v uv 2>/dev/null || echo $(BOOTSTRAP)/bin/uv)

.PHONY: demo setup test pytest lint bench mutants environment ui proxy docs lock clean

demo: $(READY)  ## Run all 90 cells and print the matrix
	@$(BIN)/compat run

setup: $(READY)  ## Make .venv, with the compat command in it

test: $(READY)  ## Everything: style, types, layers, unit and end-to-end tests
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

pytest: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## Cost of the pipeline against the same CLI calls with nothing around them, and of its page
	@$(BIN)/compat bench
	@$(BIN)/python -m compat_pipeline_tests.page.measure

mutants: $(READY)  ## Break the wire in every known way: exactly the right rows must go red
	@$(BIN)/compat prove --in-turn

environment: $(READY)  ## Fast LiteLLM on this machine's Python: environment-matrix.json and COMPATIBILITY.md
	@$(BIN)/compat environment

ui: $(READY)  ## Dagster's web interface and daemon
	@$(BIN)/compat ui

proxy: $(READY)  ## Keep a proxy up for test authors
	@$(BIN)/compat proxy

docs: $(READY)  ## Build the docs site with the newest matrix of COMPAT_HOME
	@$(BIN)/python deploy/docs_site/npm.py run build -- --out-dir $(COMPAT_HOME)/docs-site
	@echo "$(COMPAT_HOME)/docs-site: look at it with $(BIN)/python -m http.server --directory $(COMPAT_HOME)/docs-site"

$(READY): requirements/dev.txt pyproject.toml
	@command -v uv >/dev/null 2>&1 || test -x $(BOOTSTRAP)/bin/uv || \
	  $(PYTHON) -m pip install --quiet --require-hashes --target $(BOOTSTRAP) -r requirements/bootstrap.txt
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## Resolve the dependencies anew
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --upgrade \
	  --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --upgrade \
	  requirements/bootstrap.in -o requirements/bootstrap.txt

clean:  ## Remove .venv and .compat: downloads, but also the history, the evidence and the local docs repository
	rm -rf .venv .compat deploy/docs_site/node_modules deploy/docs_site/.docusaurus
