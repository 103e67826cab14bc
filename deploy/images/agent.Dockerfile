# The agent and the WMS side's commands, without torch: docker build -f deploy/images/agent.Dockerfile -t kardus-agent .
# Runs as user 10001, on a read-only root file system; /var/lib/kardus is the only place that is written.
# The base is pinned by tag. Pin it by digest where your registry tells it: python:3.12.8-slim-bookworm@sha256:...
FROM python:3.12.8-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY kardus kardus
COPY edge_agent edge_agent
COPY warehouse warehouse
COPY simulator simulator
COPY train train
COPY export export
COPY deploy/byte_code.py /opt/kardus/
RUN python -m venv /opt/kardus \
    && /opt/kardus/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check -c constraints.txt ".[demo]" \
    && /opt/kardus/bin/python -m pip uninstall --yes --quiet pip

FROM python:3.12.8-slim-bookworm
RUN groupadd --system --gid 10001 kardus \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/kardus --shell /usr/sbin/nologin kardus \
    && install --directory --owner kardus --group kardus --mode 0750 /var/lib/kardus
COPY --from=build /opt/kardus /opt/kardus
RUN PYTHONDONTWRITEBYTECODE="" /opt/kardus/bin/python /opt/kardus/byte_code.py 'kardus.*' 'edge_agent.*' 'warehouse.*' 'simulator.*'
ENV PATH=/opt/kardus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/kardus
VOLUME /var/lib/kardus
# Needs health.port = 9464 in the configuration. For kardus-wms: --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["kardus-agent"]
CMD ["run", "/etc/kardus/agent.toml"]
