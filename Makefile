# Every command of the project; `make help` lists them. Those with a pool need root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
TETHYS := var/cache/tethys-venv
CONDORPY := var/cache/condorpy-venv
ROUNDS ?= 30
ARGS ?=
LANGUAGES ?=
WORKERS ?= 2
BROWSERS ?= 2
CONDOR ?= trixie sid
CONDOR_WORKERS ?= 2
PYTEST := $(BIN)/pytest
PLAIN := not faults and not browser and not tethys and not condor and not condor_faults and not vms
SUITE = $(PYTEST) -n $(WORKERS) --dist worksteal -m "$(PLAIN)$(1)"
export OCEANID_APPS ?= hymod
export PYTHONPATH := $(CURDIR)/examples$(if $(PYTHONPATH),:$(PYTHONPATH))
# A cloud machine's proxy must not catch what the tests say to themselves.
export NO_PROXY := 127.0.0.1,localhost$(if $(NO_PROXY),$(comma)$(NO_PROXY))
comma := ,

.DEFAULT_GOAL := help
.PHONY: help run setup setup-tethys test test-postgres test-browser test-tethys test-condor test-vms e2e-aws e2e-azure faults faults-postgres \
	faults-condor faults-clouds bench bench-clouds bench-local bench-pages bench-pages-postgres bench-site bench-site-postgres \
	bench-condor bench-smoke lint format \
	docs reference messages \
	pictures requirements clean

help:  ## List the commands
	@echo "make COMMAND, where COMMAND is one of:"
	@sed -n 's/^\([a-z-]*\):[^#]*## *\(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name about; do printf '%-16s %s\n' "$$name" "$$about"; done

run: $(STAMP)  ## Set all up and start the portal (state in var/, or OCEANID_HOME)
	@OCEANID_HOME="$${OCEANID_HOME:-$(CURDIR)/var}" exec $(BIN)/oceanid up $(ARGS)

setup: $(STAMP)  ## Make the environment in .venv, as all the others do by themselves

setup-tethys: $(STAMP) $(TETHYS)/.ready  ## Make the environment of test-tethys

test: $(STAMP)  ## Run the tests on SQLite; says which commands run the others (WORKERS=2)
	$(call SUITE, and not postgres) $(ARGS)
	@echo "Not run here: make test-postgres, test-browser, test-tethys, test-condor, test-vms, e2e-aws, e2e-azure, faults, faults-condor, bench."

test-postgres: $(STAMP)  ## Run what asks the database on a private PostgreSQL cluster, made for it and removed
	OCEANID_REQUIRE=$(call required,postgres) $(BIN)/python tools/with_postgres.py $(call SUITE, and (database or postgres)) $(ARGS)

test-browser: $(STAMP)  ## Drive the pages with a real Chromium
	OCEANID_REQUIRE=$(call required,browser) $(PYTEST) -n $(BROWSERS) --dist loadfile -m browser \
		tests/browser $(ARGS)

test-tethys: $(STAMP) $(TETHYS)/.ready  ## Install into a real Tethys Portal and run a job there
	OCEANID_TEST_TETHYS=$(CURDIR)/$(TETHYS) OCEANID_REQUIRE=$(call required,tethys) \
		$(PYTEST) -m tethys tests/integration/tethys $(ARGS)

test-condor: $(STAMP)  ## Run the engine's contract and jobs on real HTCondor pools, 23.9 and 25.x (root)
	OCEANID_REQUIRE=$(call required,condor) $(BIN)/python tools/with_condor.py $(POOLS) \
		$(PYTEST) -n $(CONDOR_WORKERS) --dist worksteal -m condor $(ARGS)

test-vms: $(STAMP)  ## Boot a cluster's machines from its user-data, and attack it from inside (root)
	OCEANID_TEST_VMS=1 OCEANID_REQUIRE=$(call required,vms) $(PYTEST) -m vms tests/vms $(ARGS)

e2e-aws: $(STAMP)  ## The whole chain on an emulated Amazon: form, SDK, machines that boot, jobs, nothing left (root)
	$(BIN)/python -m tests.clouds.e2e amazon

e2e-azure: $(STAMP)  ## The same on a small Azure (root)
	$(BIN)/python -m tests.clouds.e2e azure

faults: $(STAMP)  ## Kill, freeze and cut while jobs go through (ROUNDS=30)
	OCEANID_FAULT_ROUNDS=$(ROUNDS) $(PYTEST) -m "faults and not postgres" tests/faults \
		--ignore=tests/faults/clouds $(ARGS)

faults-postgres: $(STAMP)  ## The same on a private PostgreSQL cluster, connections cut too
	OCEANID_FAULT_ROUNDS=$(ROUNDS) OCEANID_REQUIRE=$(call required,postgres) \
		$(BIN)/python tools/with_postgres.py $(PYTEST) -m "faults and postgres" tests/faults $(ARGS)

faults-condor: CONDOR := trixie
faults-condor: $(STAMP)  ## Kill, freeze, cut and fill a real pool over SSH, 500 jobs under way each (root)
	OCEANID_REQUIRE=$(call required,condor_faults) $(BIN)/python tools/with_condor.py $(POOLS) \
		$(PYTEST) -m condor_faults tests/faults/condor $(ARGS)

faults-clouds: $(STAMP)  ## Kill the supervisor before and after every call of each cloud, and let each fail
	$(PYTEST) -m faults tests/faults/clouds tests/integration/clusters $(ARGS)

bench: bench-local bench-pages bench-site  ## Measure everything against its limits

bench-local: $(STAMP)  ## Measure the local engine and execute() against their baselines, and idle cost
	$(BIN)/python -m benchmarks.local $(ARGS)
	$(BIN)/python -m benchmarks.idle

bench-pages: $(STAMP)  ## Measure the pages with 1,000,000 jobs against 1,000
	$(BIN)/python -m benchmarks.pages $(ARGS)

bench-pages-postgres: $(STAMP)  ## The same on a private PostgreSQL cluster, made for it and removed
	$(BIN)/python tools/with_postgres.py $(BIN)/python -m benchmarks.pages --postgres $(ARGS)

bench-site: $(STAMP)  ## Measure 500 open pages on one web process
	$(BIN)/python -m benchmarks.open_pages $(ARGS)

bench-site-postgres: $(STAMP)  ## The same on a private PostgreSQL cluster, made for it and removed
	$(BIN)/python tools/with_postgres.py $(BIN)/python -m benchmarks.open_pages --postgres $(ARGS)

bench-condor: $(STAMP) $(CONDORPY)/.ready  ## Measure a real pool over SSH against condorpy and bare commands (root)
	OCEANID_BENCH_CONDORPY=$(CURDIR)/$(CONDORPY)/bin/python \
		$(BIN)/python tools/with_condor.py --suite trixie $(CURDIR)/$(BIN)/python -m benchmarks.condor $(ARGS)

bench-clouds: $(STAMP)  ## Count the calls of each cloud for 4, 100 and 500 machines
	$(BIN)/python -m benchmarks.clouds $(ARGS)

bench-smoke: $(STAMP)  ## See that the benchmarks work, on small numbers
	$(BIN)/python -m benchmarks.local --smoke
	$(BIN)/python -m benchmarks.pages --smoke
	$(BIN)/python -m benchmarks.idle --smoke
	$(BIN)/python -m benchmarks.open_pages --smoke
	$(BIN)/python -m benchmarks.clouds --smoke

lint: $(STAMP)  ## Check style, types, walls, migrations and what must not be in a file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run --pythonpath .
	$(BIN)/python tools/check_tree.py

format: $(STAMP)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## Build the documentation into site/
	$(BIN)/mkdocs build --strict --site-dir site

reference: $(STAMP)  ## Write the reference's tables anew from the code
	$(BIN)/python tools/reference.py

messages: $(STAMP)  ## Collect and compile texts for translators: LANGUAGES="de pt_BR" (apt: gettext)
	$(BIN)/python tools/messages.py $(LANGUAGES)

pictures: $(STAMP)  ## Take the README's pictures again
	$(BIN)/python tools/pictures.py $(ARGS)

requirements: $(STAMP)  ## Compile requirements/*.txt anew
	$(BIN)/pip-compile $(COMPILE) --extra postgres --extra ssh --extra aws --extra azure \
		-o requirements/base.txt pyproject.toml
	$(BIN)/pip-compile $(COMPILE) -o requirements/dev.txt requirements/dev.in
	$(BIN)/pip-compile $(COMPILE) -o requirements/tethys.txt requirements/tethys.in
	$(BIN)/pip-compile $(COMPILE) -o requirements/condorpy.txt requirements/condorpy.in

clean:  ## Remove the environment, caches and what was built; var/ (the portal's state) stays
	rm -rf $(VENV) $(TETHYS) $(CONDORPY) build dist site .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

POOLS = $(foreach suite,$(CONDOR),--suite $(suite))
COMPILE := --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links
required = $(if $(OCEANID_REQUIRE),$(OCEANID_REQUIRE)$(comma))$(1)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Oceanid needs Python 3.11 or newer; this is `$(PYTHON) --version 2>&1`. Give another: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "This Python can't make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(TETHYS)/.ready: requirements/tethys.txt pyproject.toml
	mkdir -p $(dir $(TETHYS))
	test -x $(TETHYS)/bin/python || $(PYTHON) -m venv $(TETHYS)
	$(TETHYS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tethys.txt
	$(TETHYS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(CONDORPY)/.ready: requirements/condorpy.txt
	mkdir -p $(dir $(CONDORPY))
	test -x $(CONDORPY)/bin/python || $(PYTHON) -m venv $(CONDORPY)
	$(CONDORPY)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/condorpy.txt
	@touch $@
