# The bridge and its command line in one image: docs/container.md.
# Both stages begin with the same base, pinned by tag and digest. What is installed comes from requirements.lock, by hash.
FROM python:3.13.16-slim-trixie@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f AS base

FROM base AS build
# Only wheels: nothing is compiled, so no compiler is needed in either stage.
COPY requirements.lock /build/
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary=:all: -r /build/requirements.lock
WORKDIR /app
COPY app.py pyproject.toml ./
COPY adapters ./adapters
COPY archive ./archive
COPY bots ./bots
COPY bridge ./bridge
COPY bridgectl ./bridgectl
COPY cards ./cards
COPY manifest ./manifest
# Bytecode whose sources are not looked at again: the root file system is read-only, and times may change on the way.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app

FROM base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Teams-Freshchat bridge" \
      org.opencontainers.image.description="Ask in Microsoft Teams, answer in Freshchat, in the same thread." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && groupadd --gid 10001 bridge \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin bridge \
 && install --directory --owner=bridge --group=bridge --mode=0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BRIDGE_ENV=production \
    BRIDGE_DATA_DIR=/data \
    TMPDIR=/data
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 3978
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-I", "-c", \
    "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 3978), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "app.py"]
