# Every target sets up what it needs in .venv, once; `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the PATH that is new enough; `make PYTHON=/path/to/python3 …` names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2
# Exported, so that pip says nothing of a newer pip, whoever calls it.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# As the command line does: BLAS threads that wait for one another on a busy machine cost seconds.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test torch test-slow lint types contract check coverage bench docs clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '|' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: $(VENV)/.ready-demo  ## train on the handwritten digits; print the verdict, write the report
	@$(BIN)/heldout demo $(DEMO_FLAGS)

test: $(VENV)/.ready-test  ## the tests, without the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow' $(PYTEST_FLAGS)

torch: $(VENV)/.ready-torch  ## PyTorch, Ray and small models, for the tests that need them

test-slow: $(VENV)/.ready-test  ## the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow $(PYTEST_FLAGS)

lint: $(VENV)/.ready-lint  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-lint  ## static types
	$(BIN)/mypy --strict

contract: $(VENV)/.ready-lint  ## which part may import which
	$(BIN)/lint-imports

check: lint types contract  ## lint, types and contract

coverage: $(VENV)/.ready-test  ## simulate the coverage of every interval, for docs/coverage.md
	$(BIN)/python benchmarks/coverage.py --write docs/coverage.md

bench: $(VENV)/.ready-test  ## the benchmarks, each beside its peer
	@for f in $(filter-out benchmarks/coverage.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$f"; $(BIN)/python $$f || exit 1; done

docs: $(VENV)/.ready-test  ## the parts of the documentation that are made from the code
	$(BIN)/heldout schema > docs/store.md
	$(BIN)/python -m heldout.demo.measure --write docs/demo.md

clean:  ## remove .venv, caches and builds; never a store or a report
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. Stamps are written last. While packages are being installed, the stamp of the virtual
# environment itself is called `.unfinished`: an interrupted set-up thus starts afresh.

GROUP = $(BIN)/python -c 'import sys, tomllib; \
	groups = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]; \
	print("\n".join(groups[sys.argv[1]]))'
INSTALL = $(BIN)/python -m pip install --quiet --no-input --progress-bar off
SAY = @printf 'Setting up $(VENV) for `%s` (once, about a minute) …\n'
BEGIN = @mv $(VENV)/.ready-pip $(VENV)/.unfinished
END = @mv $(VENV)/.unfinished $(VENV)/.ready-pip && : > $@

$(VENV)/.ready-demo: $(VENV)/.ready-pip pyproject.toml
	$(SAY) 'make demo'
	$(BEGIN)
	@$(INSTALL) -e '.[demo]'
	$(END)

$(VENV)/.ready-test $(VENV)/.ready-lint: $(VENV)/.ready-%: $(VENV)/.ready-pip pyproject.toml
	$(SAY) 'make $*'
	$(BEGIN)
	@$(GROUP) $* > $(VENV)/$*.txt
	@$(INSTALL) -e '.[demo]' -r $(VENV)/$*.txt
	$(END)

# Large (PyTorch alone is 200 MB for a CPU, and gigabytes where the index has only GPU builds), so
# `make test` does without: what needs it skips with a reason.
$(VENV)/.ready-torch: $(VENV)/.ready-test pyproject.toml
	$(SAY) 'make torch'
	$(BEGIN)
	@$(GROUP) torch > $(VENV)/torch.txt
	@$(INSTALL) -r $(VENV)/torch.txt
	@$(GROUP) lite > $(VENV)/lite.txt
	@$(INSTALL) --no-deps -r $(VENV)/lite.txt
	$(END)

# Debian's Python has neither venv nor pip; root gets the one that is missing, others are told.
HAS_VENV = $(PYTHON) -c 'from ensurepip import version' 2>/dev/null
HAS_PIP = $(PYTHON) -m pip --version >/dev/null 2>&1
APT_VENV = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	echo 'Installing the package python3-venv, which $(PYTHON) lacks …' && apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; }

# A virtual environment that somebody else made here is used as it is, if it has a working pip.
$(VENV)/.ready-pip:
	@if [ -z "$(PYTHON)" ]; then \
		echo "heldout needs Python 3.11 or newer and found none on the PATH. Install one" >&2; \
		echo "(Debian 12: apt-get install python3 python3-venv), or name it: make PYTHON=…" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; \
		sys.version_info >= (3, 11) or sys.exit("heldout needs Python 3.11 or newer; $(PYTHON) is " \
		+ v + ". Name another: make PYTHON=/path/to/python3")'
	@if [ ! -e $(VENV)/.unfinished ] && $(BIN)/python -m pip --version >/dev/null 2>&1; then exit; fi; \
	$(HAS_VENV) || $(HAS_PIP) || $(APT_VENV) || true; \
	if $(HAS_VENV); then \
		$(PYTHON) -m venv --clear $(VENV); \
	elif $(HAS_PIP); then \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-input pip; \
	else \
		echo "$(PYTHON) cannot make virtual environments here. Debian keeps that in a package of" >&2; \
		echo "its own: apt-get install python3-venv. Then run make again." >&2; exit 1; \
	fi
	@$(BIN)/python -m pip --version >/dev/null && : > $@
