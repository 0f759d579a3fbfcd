# All that a developer needs; `make` alone explains. Everything made here lands in .venv,
# except what the tests need of other programs, see telegraf.py, collectd_env.py and
# servers.py in tools.

PYTHON ?= python3
ADDRESS ?=
PYTEST_ARGS ?=
JOBS ?=
COVERAGE ?=
TARGET ?= frame
SECONDS ?= 600

VENV := .venv
RUN := $(VENV)/bin/python
# Three environments in one folder, each holding the one before: what the collector
# needs, what its tests need, what a developer needs.
RUNTIME := $(VENV)/.runtime-done
TESTING := $(VENV)/.test-done
DEVELOP := $(VENV)/.dev-done
# A change in one of these may change what is to be installed.
INSTALL_FROM := pyproject.toml setup.py rct_collector/_version.py rct_collector/cli/rct-collector \
    plugins/telegraf/rct-collector-telegraf

# Tests that share what is costly to make stay in one process: TOGETHER in tests/conftest.py.
SIDE_BY_SIDE := --dist load --no-loadscope-reorder
QUICK := not slow and not telegraf and not collectd and not servers and not debian and not bench \
    and not gates

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each process of the tests would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

# A virtual environment keeps absolute paths: if the tree was moved or copied, or the
# Python was removed, it is made again.
$(shell test -x $(RUN) && grep -qsxF '$(CURDIR)' $(VENV)/.made-in || rm -f $(VENV)/.*-done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # one environment, one pip at a time
.PHONY: help venv demo test coverage quick check lint types imports fresh format bench bench-faults \
    fuzz docs screenshots site deb deb-check clean

help:  ## explain the targets
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):.*##  */\1|/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done
	@echo 'Variables:'
	@echo '  PYTHON       the Python to use, 3.11 or newer (python3)'
	@echo '  ADDRESS      make demo: a real inverter, such as 192.0.2.10, instead of the simulated one'
	@echo '  FAMILY       make demo: the family of the inverter, such as voltronic (rct)'
	@echo '  COVERAGE     make test: anything to measure it as well, as make coverage does'
	@echo '  PYTEST_ARGS  make test, coverage, quick, bench: further arguments for pytest'
	@echo '  JOBS         make test, quick: how many tests side by side (cores and four more; cores and one)'
	@echo '  TELEGRAF     make test: the Telegraf binary to test with'
	@echo '  TARGET       make fuzz: what to fuzz; tests/fuzz/__init__.py names all (frame)'
	@echo '  SECONDS      make fuzz: for how long (600)'

venv: $(DEVELOP)  ## make .venv with all tools of a developer

demo: $(RUNTIME)  ## show the collector at work; needs no inverter
	@$(VENV)/bin/rct-collector demo $(if $(ADDRESS),--address '$(ADDRESS)') $(if $(FAMILY),--driver '$(FAMILY)')

# Without Telegraf, collectd or a server some tests are skipped, and say so; on a build server that is
# an error, which does not keep the other tests from running.
# Many tests wait for a real program, so that there is work for more of them than there are cores.
test: $(TESTING)  ## run all tests
	@status=0; \
	lacks() { \
	    if [ "$$CI" = true ]; then echo "error: CI=true, and no $$1" >&2; status=1; \
	    else echo "note: the tests that need $$1 will be skipped" >&2; fi; \
	}; \
	telegraf=$$($(RUN) tools/telegraf.py) || lacks Telegraf; \
	collectd=$$($(RUN) tools/collectd_env.py) || lacks collectd; \
	$(RUN) tools/servers.py || lacks 'databases, brokers, etcd, valgrind, gcc, and tools for recordings'; \
	debian=$$($(RUN) tools/debian_env.py) || lacks 'tools for Debian packages'; \
	env -u TELEGRAF -u COLLECTD_PACKAGES -u DEBIAN_BASE $${telegraf:+"TELEGRAF=$$telegraf"} \
	    $${collectd:+"COLLECTD_PACKAGES=$$collectd"} $${debian:+"DEBIAN_BASE=$$debian"} \
	    $(RUN) -m pytest -n $(or $(JOBS),$(shell expr 4 + $$(nproc))) $(SIDE_BY_SIDE) \
	    --timeout=300 --durations=10 $(if $(COVERAGE),--cov --cov-report=term) $(PYTEST_ARGS) || status=$$?; \
	exit $$status

# What measures them makes most tests, and each process that they start, two or three times as slow.
coverage: COVERAGE := yes
coverage: test  ## run all tests, and tell which lines they run, more slowly

# A few wait for a line, or for a process, so one more than there are cores.
quick: $(TESTING)  ## run the short tests, in a minute, for the loop while writing
	@$(RUN) -m pytest -n $(or $(JOBS),$(shell expr 1 + $$(nproc))) $(SIDE_BY_SIDE) --timeout=60 -q \
	    --hypothesis-profile=quick -m '$(QUICK)' $(PYTEST_ARGS)

check: lint types imports fresh site  ## all five checks below; -k does not stop at the first that fails

lint: $(DEVELOP)  ## check style and formatting
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: $(DEVELOP)  ## check the types, strictly
	$(RUN) -m mypy

imports: $(DEVELOP)  ## check that imports go the permitted way
	$(VENV)/bin/lint-imports --no-logo

fresh: $(DEVELOP)  ## check that the generated text is what `make docs` would write
	$(RUN) -m rct_collector.docs --check
	$(RUN) -m tools.dashboards --check

# Without a network: MkDocs and its theme have all they need.
site: $(DEVELOP)  ## build the documentation into dist/site, and check every link in it
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet
	$(RUN) tools/site_check.py dist/site

format: $(DEVELOP)  ## repair formatting, and what else ruff can
	$(VENV)/bin/ruff check --fix-only
	$(VENV)/bin/ruff format

bench: $(TESTING)  ## measure speed and memory; writes docs/performance.md
	@collectd=$$($(RUN) tools/collectd_env.py) || \
	    echo 'note: what the plugin costs collectd will not be measured' >&2; \
	env -u COLLECTD_PACKAGES $${collectd:+"COLLECTD_PACKAGES=$$collectd"} \
	    RCT_COLLECTOR_BENCH_PAGE=$(if $(PYTEST_ARGS),,docs/performance.md) \
	    $(RUN) -m pytest -m bench --timeout=900 -q $(PYTEST_ARGS)

bench-faults: $(TESTING)  ## measure completeness and truth on bad lines; takes about an hour
	@status=0; for arguments in $(if $(FAULTS_ARGS),'$(FAULTS_ARGS)', \
	    '--driver rct --page docs/performance.md' '--driver voltronic --page docs/performance.md'); do \
	    $(RUN) -m tests.bench.faults $$arguments || status=1; \
	done; \
	$(if $(FAULTS_ARGS),,$(RUN) -m tests.bench.outage --page docs/performance.md || status=1;) \
	exit $$status

fuzz: $(TESTING)  ## look for bytes that upset what reads them; what fails is left in .fuzz
	$(RUN) -m tests.fuzz $(TARGET) -max_total_time=$(SECONDS) -print_final_stats=1

docs: $(DEVELOP)  ## write the generated text: metric tables, sample configurations, dashboards
	$(RUN) -m rct_collector.docs
	$(RUN) -m tools.dashboards

screenshots: $(TESTING)  ## make the pictures of the page anew, in docs/assets; needs Chromium
	$(RUN) -m tests.screenshots docs/assets

# Without a network once the source of rctclient is there, and what the build needs is installed.
deb: | $(VENV)/.venv-done  ## build the Debian packages into dist/deb
	@$(RUN) tools/debian_env.py --build
	RCTCLIENT_SOURCE=$$($(RUN) tools/rctclient_source.py) packaging/build-deb.sh

deb-check: export CI = true
deb-check: $(TESTING)  ## put the Debian packages to all their tests; takes a quarter of an hour
	telegraf=$$($(RUN) tools/telegraf.py) && debian=$$($(RUN) tools/debian_env.py --gates) && \
	    TELEGRAF=$$telegraf DEBIAN_BASE=$$debian \
	    $(RUN) -m pytest -m 'debian or gates' $(PYTEST_ARGS) tests/packaging

clean:  ## remove .venv and everything built
	rm -rf $(VENV) build dist *.egg-info plugins/telegraf/*.egg-info .coverage .coverage.* htmlcov \
	    .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find rct_collector plugins tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# The bridge is tried with both generations of paho-mqtt, of which only one can be installed.
BESIDE = @$(RUN) -m pip install -q --upgrade --no-deps --target $(VENV)/paho2 'paho-mqtt>=2'

$(VENV)/.venv-done:
	@tools/venv.sh $(PYTHON) $(VENV)
	@echo '$(CURDIR)' >$(VENV)/.made-in
	@touch $@

$(RUNTIME): $(INSTALL_FROM) | $(VENV)/.venv-done
	$(RUN) -m pip install -q -e .
	@touch $@

$(TESTING): $(INSTALL_FROM) | $(VENV)/.venv-done
	$(RUN) -m pip install -q -e '.[test]'
	$(BESIDE)
	@touch $(RUNTIME) $@

$(DEVELOP): $(INSTALL_FROM) | $(VENV)/.venv-done
	$(RUN) -m pip install -q -e '.[dev]'
	$(BESIDE)
	@touch $(RUNTIME) $(TESTING) $@
