# make run   set up .venv and open the window      make test      set up .venv and run the tests, a few minutes
# make check   linter, formatter, types            make test-long  the long tests        make matrix  docs/testing.md
# ARGS is handed on:  make run ARGS="--reset-settings"   make test ARGS="tests/flow -k coupling"
# PYTHON names the Python to build .venv with:  make run PYTHON=python3.13

PYTHON ?= python3

TASKS = run test test-long matrix check setup

.PHONY: $(TASKS) screenshots clean

$(TASKS):
	@$(PYTHON) bootstrap.py $@ $(ARGS)

screenshots: setup
	@.venv/bin/python -m docs.screenshots $(ARGS)

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
