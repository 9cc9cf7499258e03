# make scan              open napari on the built-in phantom
# make scan MODEL=gpt2/  … on a checkpoint: a file, a folder or an index.json
# make test              run the tests (TESTS=tests/volume for some of them)
# make check             lint, types, import rules, manifest
#
# All set up .venv first, and the system's OpenGL where they may. PYTHON=python3.12 chooses
# the interpreter; pip's own variables (PIP_EXTRA_INDEX_URL, …) are respected.

SHELL := /bin/bash
PYTHON ?= python3
MODEL ?=
TESTS ?=
# All tests run in several processes: one that dies is one failed test, told by its name. Each has
# a virtual screen and a cache of its own, and up to 2 GB.
ALL_TESTS := --numprocesses logical --maxprocesses 4 --dist worksteal
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help scan test check clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

scan: $(VENV)/.ready
	@scripts/scan.sh "$(MODEL)"

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest $(or $(TESTS),$(ALL_TESTS))

check: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/npe2 validate napari-gpt2-tomo

clean:
	rm -rf $(VENV) scans .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.system: scripts/system-packages.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, not $$($(PYTHON) --version). Try:" \
		"make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@scripts/system-packages.sh
	@mkdir -p $(VENV) && touch $@

$(VENV)/.created: $(VENV)/.system
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready: $(VENV)/.created pyproject.toml constraints.txt
	@scripts/install.sh all
	@touch $@

$(VENV)/.browsers: scripts/system-packages.sh $(VENV)/.created
	@scripts/system-packages.sh test
	@touch $@

$(VENV)/.ready-test: $(VENV)/.created $(VENV)/.browsers pyproject.toml constraints.txt
	@scripts/install.sh all,test
	@touch $@ $(VENV)/.ready
