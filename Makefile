# Needs only `make` and Python 3.11–3.13. Everything is installed in .venv, from the lock, with hashes.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo story pictures serve test check bench fuzz docs lock release clean

help:            ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/run ## the bridge with a sandbox that plays Teams and Freshchat; prints the address of a page
	$(BIN)/python -m bridgectl sandbox

story: $(VENV)/run ## play the whole story in the running demo, and check what arrives; PACE=0 as fast as it goes
	$(BIN)/python -m sandbox.scenario --pace $(or $(PACE),4)

serve: $(VENV)/run ## the bridge with the settings of the environment and .env
	$(BIN)/python app.py

test: $(VENV)/dev $(VENV)/policy/ready ## all tests that this machine can run; what is missing is named as skipped
	$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(VENV)/dev ## formatting, linters, types, import rules, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m bridgectl.reference --check

bench: $(VENV)/dev ## the benchmark table, with its baselines in the same run
	$(BIN)/python -m bench

fuzz: $(VENV)/dev ## nightly: 100,000 hostile inputs to doors, translators and files; what breaks one is kept as a fixture
	$(BIN)/python -m tests.fuzz

pictures: $(VENV)/dev ## take the pictures of docs/img again (needs Chromium)
	$(BIN)/python -m tests.browser.pictures

docs: $(VENV)/dev ## write docs/settings.md and docs/cli.md from the code
	$(BIN)/python -m bridgectl.reference

lock: $(VENV)/dev ## pin everything below requirements*.txt, with hashes
	$(BIN)/python -m pip install --quiet uv
	for name in requirements requirements-dev requirements-policy; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file $$name.lock $$name.txt; done

release: $(VENV)/dev ## dist/: app package, bill of materials, licences, checksums (docs/releasing.md); OUTPUTS=terraform's
	$(BIN)/python -m release $(if $(OUTPUTS),--outputs $(OUTPUTS))

clean:           ## remove the virtual environment and the demo's data
	rm -rf $(VENV) data .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed (set PYTHON=/path/to/python)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/dev: requirements-dev.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/run

$(VENV)/policy/ready: requirements-policy.lock | $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/policy
	$(VENV)/policy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-policy.lock
	@touch $@
