# The service as an image: docker build --tag tasks .
# docs/operations.md#containers says how to run it.

FROM python:3.13-slim-trixie AS packages
WORKDIR /app
COPY requirements.txt ./
# As `make run` does; no package needs a compiler.
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir -r requirements.txt

FROM python:3.13-slim-trixie
# pg_dump, pg_restore and psql for `manage.py backup` and `restore`, of PostgreSQL 17 or
# earlier. Debian removes old versions of packages, so that a pinned one could not be built.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home tasks \
    && install --directory --owner=tasks --mode=0700 /data
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY manage.py ./
COPY taskproject taskproject
COPY tasks tasks
RUN .venv/bin/python -m compileall -q taskproject tasks
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000
USER 10001
# Where SQLite and backups may go. Otherwise only /tmp is written.
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD [".venv/bin/python", "-c", "import os; from urllib.request import urlopen; urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/livez\", timeout=4)"]
ENTRYPOINT [".venv/bin/python", "manage.py"]
CMD ["serve"]
