# Everything a contributor needs. Each target prepares what it uses; a second run is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.DEFAULT_GOAL := help

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

serve: $(READY)  ## Serve examples/library on http://127.0.0.1:8000.
	@PYTHONPATH=examples $(BIN)/python -m library.guide
	@PYTHONPATH=examples $(BIN)/hesper --app library.app:app run

test: lint types check  ## Run all that CI runs.

lint: $(READY)  ## Check style and formatting.
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)  ## Check types with mypy and pyright.
	$(BIN)/mypy
	$(BIN)/pyright

check: $(READY)  ## Run the tests and measure their branch coverage.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

format: $(READY)  ## Format the code and mend what can be mended.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(PEERS)  ## Compare Hesper with a hand-written ASGI app and its peers; write docs/benchmarks.
	$(BIN)/python -m benchmarks all --keep

docs: $(READY)  ## Write what is generated in the documentation.
	$(BIN)/python -m docs.generate

lock: $(READY)  ## Write the files in requirements anew from pyproject.toml.
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) --extra standard --extra testing --group dev \
	  --output-file requirements/dev.txt pyproject.toml
	$(LOCK) --group bench --constraints requirements/dev.txt \
	  --output-file requirements/bench.txt pyproject.toml

clean:  ## Remove everything that was made.
	rm -rf $(VENV) .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hesper needs Python 3.11 or newer; try make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(PEERS): $(READY) requirements/bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: help serve test lint types check format bench docs lock clean
