# `make` lists what can be made. PRESET, LIVE and SOLUTIONS choose how the book is made:
#   make book PRESET=smoke     a quick pass over everything
#   make book LIVE=no          draw from the stored results, train nothing
#   make book LIVE="compare scaling"   compute these chapters; the others show their stored results
#   make book SOLUTIONS=no     leave the solutions of the exercises out of the pages
# PYTHON names another interpreter; PIP_OPTIONS is handed to `pip install`, such as the index of a CPU-only torch.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PRESET ?= laptop
LIVE ?= yes
SOLUTIONS ?= yes
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_OPTIONS ?=
# Tests run in as many processes as there are cores, each with one thread. A file's tests stay in one process, which makes what they share
# once, and the files begin in the order of tests/conftest.py, the long ones first.
PYTEST_OPTIONS ?= -n auto --dist loadfile --no-loadscope-reorder

VENV := .venv
INSTALLED := $(VENV)/installed
# Two makes at once: the second waits for the first, then finds everything installed. Without flock there is no such guard.
LOCK := $(if $(shell command -v flock),flock .)

.PHONY: help
help: ## list what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20

.PHONY: book
book: $(INSTALLED) ## execute the chapters, build the HTML book and print its path
	@STABLEREP_SOLUTIONS=$(SOLUTIONS) $(VENV)/bin/stablerep book --preset $(PRESET) $(if $(filter no,$(LIVE)),--no-live,$(addprefix --only ,$(filter-out yes,$(LIVE))))

.PHONY: test
test: $(INSTALLED) ## run the tests
	@$(VENV)/bin/python -m pytest $(PYTEST_OPTIONS)

.PHONY: check
check: $(INSTALLED) ## check style, formatting, imports and what is written from the chapters
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/stablerep notebooks sync --check

.PHONY: reference
reference: $(INSTALLED) ## compute the stored results of the comparison (hours); goes on where it was cut
	@$(VENV)/bin/stablerep reference compare

.PHONY: environment
environment: $(INSTALLED) ## install the pinned environment into .venv and nothing else

.PHONY: clean
clean: ## delete the pages and executed chapters, but neither runs nor .venv
	rm -rf _build book/chapters

ifndef LOCKED
$(INSTALLED): pyproject.toml constraints.txt
	@$(LOCK) $(MAKE) --no-print-directory -s LOCKED=yes $@
else
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, $(PYTHON) is "\
	  + sys.version.split()[0] + "; name another with make PYTHON=...")'
	@echo "installing the pinned environment into $(VENV); the first time this downloads for some minutes"
	@# Debian's python3 comes without the venv package's pip; the pip that is there can install into the environment instead.
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) > /dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@if $(VENV)/bin/python -m pip --version > /dev/null 2>&1; then pip="$(VENV)/bin/python -m pip"; \
	  else pip="$(PYTHON) -m pip --python $(VENV)/bin/python"; fi; \
	  $$pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[test]'
	@touch $@
endif
