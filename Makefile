# make demo    train, evaluate, verify and report on a fresh machine (under three minutes on two cores)
# make test    the test suite
# make lowest  the core tests on the lowest versions that pyproject.toml names, in .venv-lowest
# make check   lint, format, types, layers, spelling
# make docs    build the documentation into site/
# make bench   every benchmark of benchmarks/ (long)
#
# PYTHON is the interpreter that makes the environment VENV (3.11 or newer). Another one beside it:
#   make test PYTHON=python3.13 VENV=.venv-3.13
# TORCH, where given, is what pip installs for PyTorch: make demo TORCH="torch==2.5.1"

PYTHON ?= python3
VENV ?= .venv
LOWEST_PYTHON ?= python3.11
LOWEST ?= .venv-lowest
TORCH ?=
WORKERS ?= 2
DEMO_OUT ?= demo

CORE := tests/test_*.py tests/api tests/attacks tests/claims tests/cli tests/data tests/evaluation \
  tests/certification tests/examples tests/models tests/objective tests/reporting tests/spaces tests/training

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check

.PHONY: help env demo test lowest check format docs bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

env: $(VENV)/.ready

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Holdfast needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1): make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# A CPU build of PyTorch is a tenth of the size of the build that comes with CUDA: one that pip is
# configured to find at hand is taken before any index is asked.
$(VENV)/.torch: | $(VENV)/.created
	@if $(PY) -c 'import torch' 2>/dev/null; then :; \
	elif [ -n "$(TORCH)" ]; then $(PIP) install "$(TORCH)"; \
	else \
	  $(PIP) install -q --no-index --no-deps "torch>=2.5" 2>/dev/null || \
	  $(PIP) install "torch>=2.5"; \
	fi
	touch $@

$(VENV)/.ready: pyproject.toml | $(VENV)/.torch
	$(PIP) install -q -e ".[dev]"
	touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.ready
	$(PIP) install -q -e ".[docs]"
	touch $@

$(VENV)/.integrations: pyproject.toml | $(VENV)/.ready
	$(PIP) install -q -e ".[integrations]"
	touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/.ready
	$(PIP) install -q -e ".[bench]"
	touch $@

demo: $(VENV)/.ready
	$(BIN)/holdfast demo --out $(DEMO_OUT)

test: $(VENV)/.ready $(VENV)/.integrations
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal

# Exact constraints: a lowest version that cannot be installed is an error, where a resolver would
# take the next. The second variable is for the build (hatchling): newer pips do not apply the first.
$(LOWEST)/.ready: pyproject.toml
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	grep -oE '"[A-Za-z0-9-]+>=[0-9.]+' pyproject.toml | sed 's/^"//; s/>=/==/' > $(LOWEST)/lowest.txt
	PIP_CONSTRAINT=$(abspath $(LOWEST)/lowest.txt) PIP_BUILD_CONSTRAINT=$(abspath $(LOWEST)/lowest.txt) \
	  $(LOWEST)/bin/python -m pip install -q -e ".[dev,integrations]"
	touch $@

# Old packages warn of newer ones that they use; what Holdfast itself uses is seen by `make test`.
lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal -W ignore::DeprecationWarning $(CORE)

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.bench
	@set -e; for script in $$(grep -l __main__ benchmarks/*/*.py); do echo "== $$script"; $(PY) "$$script"; done

clean:
	rm -rf $(VENV) $(LOWEST) site build dist $(DEMO_OUT)
