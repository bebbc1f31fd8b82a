# Each target is one command on a fresh machine with git, make and Python 3.11-3.13.

# The first Python that runs; PYTHON=... chooses another.
PYTHON ?= $(shell for python in python3.12 python3.13 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
NEXT_DJANGO = 6.1.3
PIP_AUDIT = 2.10.1
CYCLONEDX = 7.5.0
BIN = .venv/bin
RUFF = $(BIN)/ruff
# The suite on a database, in at most four processes, each with a database of its own: one
# more than there are processors, because tests also wait. Tests of one file mostly stay
# together, and share its servers.
PROCESSES = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
SUITE = -m pytest --numprocesses=$(PROCESSES) --maxprocesses=4 --dist=worksteal --database
# Tests start hundreds of processes, and each would compile the sources anew.
export PYTHONDONTWRITEBYTECODE =
CLIENTS = tests/clients
NODE_20_19 = const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || major == 20 && minor >= 19 ? 0 : 1)
# With hashes of the files for all platforms, which pip compares.
LOCK = $(BIN)/uv pip compile --quiet --universal --upgrade --no-header --generate-hashes \
	--python-version 3.11
FASTIFY = bench/peers/fastify_pg

.DEFAULT_GOAL := help

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/run .env ## Serves API, documentation and admin; HOST, PORT and DATABASE_URL are honoured.
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py serve

test: .venv/tests ## Runs the whole suite on SQLite, then on PostgreSQL.
	$(BIN)/python $(SUITE)=sqlite
	$(BIN)/python $(SUITE)=postgresql -m 'not either_database'

test-pgbouncer: .venv/tests ## Runs the suite on PostgreSQL through PgBouncer (1.21 for its second half; else skipped).
	$(BIN)/python $(SUITE)=pgbouncer -m 'not either_database' -rs
	$(BIN)/python $(SUITE)=pgbouncer -m 'not either_database' --prepared-statements=200

test-faults: .venv/tests ## Kills, cuts and freezes what the service stands on; 6 minutes.
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=2 --dist=worksteal tests/faults

test-upgrade: .venv/tests ## Upgrades from 1.3.0, migration by migration, under load; 3 minutes.
	$(BIN)/python -m pytest tests/faults/upgrade.py -rs

test-series: .venv/tests .venv-series ## Compares all kinds of series, in all time zones, from 1900 to 2999; some minutes.
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) --maxprocesses=4 tests/series --database=sqlite -rs

test-browser: .venv/tests ## Uses the pages in Chromium (without it skipped); 3 minutes.
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=2 --dist=worksteal tests/browser -rs

screenshots: .venv/tests ## Takes the pictures of docs/pages.md anew (needs Chromium and ImageMagick).
	$(BIN)/python -m pytest tests/browser/screenshots.py

test-clients: .venv/tests ## Lints the OpenAPI document, and makes clients of it (needs Node 20; else skipped).
	@if command -v npm >/dev/null && node -e '$(NODE_20_19)'; then $(MAKE) --no-print-directory clients && \
		$(BIN)/python -m pytest tests/clients --database=sqlite; \
	else echo 'Skipped: the generators of clients need Node 20.19 or later with npm, https://nodejs.org'; fi

bench: .venv/tests bench-peers ## Measures this service beside its peers (needs wrk and Node); ARGS=--help.
	$(BIN)/python -m bench.compare $(ARGS)

bench-growth: .venv/tests ## Measures what a request costs at 1,000 to 1,000,000 tasks; ARGS=--help.
	$(BIN)/python -m bench.growth $(ARGS)

bench-costs: .venv/tests ## Measures what each operation costs, for docs/capacity.md; ARGS=--help.
	$(BIN)/python -m bench.costs $(ARGS)

bench-metrics: .venv/tests ## Measures what /metrics costs, with and without it in turns (needs wrk); ARGS=--help.
	$(BIN)/python -m bench.metrics $(ARGS)

bench-recovery: .venv/tests ## Measures how soon it is fast again after 3,000 requests at once (needs wrk); ARGS=--help.
	$(BIN)/python -m bench.recovery $(ARGS)

bench-pages: .venv/tests ## Measures the admin's pages at 1,000,000 tasks of 10,000 owners; ARGS=--help.
	$(BIN)/python -m bench.pages $(ARGS)

bench-waiting: .venv/tests ## Measures streams of hints, a backlog of a webhook, and NOTIFY; ARGS=--help.
	$(BIN)/python -m bench.waiting $(ARGS)

test-next: .venv-next ## Runs the suite on the next Django (Python 3.12 or later).
	.venv-next/bin/python $(SUITE)=sqlite
	.venv-next/bin/python $(SUITE)=postgresql -m 'not either_database'

# makemigrations warns where there is no database, of which it needs none.
lint: .venv/tests ## Checks format, style, imports, types, migrations and the deployment settings.
	$(RUFF) format --check
	$(RUFF) check
	$(BIN)/lint-imports --no-logo
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') && export SECRET_KEY && \
	$(BIN)/mypy && \
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check && \
	API_GUEST= HTTPS=on DEBUG=off CORS_ALLOW_CREDENTIALS=off ALLOWED_HOSTS=tasks.example.com \
	DATABASE_URL=postgresql://tasks@db.example.com/tasks \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

lock: .venv/tests ## Pins the newest versions that pyproject.toml allows, transitive ones too.
	$(LOCK) pyproject.toml --output-file requirements.txt
	{ echo '-r ../requirements.txt'; $(LOCK) --constraints requirements.txt \
		--group pyproject.toml:tests; } > tests/requirements.txt

audit: .venv-audit ## Looks for known vulnerabilities of the pinned versions (needs pypi.org; else skipped).
	@if $(PYTHON) -c 'import json, urllib.request as web; json.load(web.urlopen( \
		"https://pypi.org/pypi/django/5.2/json", timeout=10))["vulnerabilities"]' 2>/dev/null; \
	then .venv-audit/bin/pip-audit --strict --disable-pip --requirement requirements.txt; \
	else echo 'Skipped: pypi.org, which knows the vulnerabilities, cannot be reached; nothing was audited.'; fi

sbom: .venv-audit ## Writes sbom.json (CycloneDX): what the service is made of, with licences.
	rm -rf .venv-sbom && $(PYTHON) -m venv --without-pip .venv-sbom
	.venv-audit/bin/pip --python .venv-sbom install --quiet --disable-pip-version-check -r requirements.txt
	.venv-audit/bin/cyclonedx-py environment .venv-sbom --pyproject pyproject.toml --output-file sbom.json
	rm -rf .venv-sbom

.env: .env.example
	@test -f .env || { umask 077; sed "s|^SECRET_KEY=.*|SECRET_KEY=$$($(PYTHON) -c \
		'import secrets; print(secrets.token_urlsafe(50))')|" .env.example > .env; }
	@touch .env

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo 'No Python from 3.11 to 3.13 found; set PYTHON=/path/to/python.' >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: requirements.txt | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/tests: requirements.txt tests/requirements.txt | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch .venv/run $@

.venv-next: requirements.txt tests/requirements.txt
	$(PYTHON) -m venv .venv-next
	.venv-next/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	.venv-next/bin/python -m pip install --quiet --disable-pip-version-check Django==$(NEXT_DJANGO)
	@touch $@

.venv-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check \
		--upgrade pip pip-audit==$(PIP_AUDIT) cyclonedx-bom==$(CYCLONEDX)
	@touch $@

.venv-peers: bench/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(FASTIFY)/node_modules: $(FASTIFY)/package.json $(FASTIFY)/package-lock.json
	@command -v npm >/dev/null || { echo 'The bench needs Node 20 or later with npm: https://nodejs.org' >&2; exit 1; }
	npm ci --prefix $(FASTIFY) --no-audit --no-fund --loglevel=error
	@touch $@

# Without the package index, what needs it is skipped.
.venv-series: tests/series/requirements.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@ || rm -r $@

.venv-clients: $(CLIENTS)/requirements.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(CLIENTS)/node_modules: $(CLIENTS)/package.json $(CLIENTS)/package-lock.json
	npm ci --prefix $(CLIENTS) --no-audit --no-fund --loglevel=error
	@touch $@

clients: .venv-clients $(CLIENTS)/node_modules

bench-peers: .venv-peers $(FASTIFY)/node_modules

.PHONY: help run test test-pgbouncer test-faults test-upgrade test-series test-browser screenshots test-clients clients bench bench-peers bench-growth bench-costs bench-metrics bench-recovery bench-pages bench-waiting test-next lint lock audit sbom
