# `make demo` and `make test` need nothing else: they set up what is missing.
PYTHON_RUN := .venv/bin/python
.PHONY: setup demo run test unit interop check format bench fuzz shape docs spec lock clean

.venv/requirements.installed: requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh
	@touch $@

setup:          ## system packages and the virtual environment
	@scripts/setup.sh

demo: .venv/requirements.installed    ## server, three phones, a room, a recording, and the proof
	@.venv/bin/vb demo

run: .venv/requirements.installed     ## the server alone, settings from the environment
	@.venv/bin/vb serve

test: unit interop    ## everything: unit tests, then real peers on loopback

unit: .venv/requirements.installed
	@$(PYTHON_RUN) -m pytest -rs --ignore=tests/interop

interop: setup .venv/requirements.installed
	@$(PYTHON_RUN) -m pytest -rs tests/interop

check: .venv/requirements.installed   ## ruff, ruff format, mypy --strict
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: .venv/requirements.installed
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: .venv/requirements.installed   ## every benchmark, each beside a floor of the same run
	@for bench in bench/bench_*.py; do echo "== $$bench"; $(PYTHON_RUN) $$bench || exit 1; done

fuzz: .venv/requirements.installed    ## every fuzz target for FUZZ_SECONDS (10) each
	@for target in fuzz/fuzz_*.py; do echo "== $$target"; $(PYTHON_RUN) $$target $${FUZZ_SECONDS:-10} || exit 1; done

shape: .venv/requirements.installed   ## the ten longest files and functions: look at them
	@$(PYTHON_RUN) scripts/shape.py

spec: .venv/requirements.installed
	@.venv/bin/vb spec openapi > docs/openapi.yaml
	@.venv/bin/vb spec asyncapi > docs/asyncapi.yaml

docs: spec      ## generated documents: the API specifications, the table of RFC sections
	@$(PYTHON_RUN) scripts/rfc_table.py > docs/rfc/table.md

lock:           ## write requirements.lock anew from pyproject.toml
	@$(PYTHON_RUN) scripts/lock.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build demo-out *.egg-info
