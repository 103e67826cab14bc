# The warehouse's side alone, for servers: docker build -f deploy/images/warehouse.Dockerfile -t kardus-warehouse .
# kardus-wms with PostgreSQL, S3, Kafka and SFTP; no onnxruntime, no PyAV, no torch.
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
    && /opt/kardus/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check -c constraints.txt ".[warehouse,postgresql,s3,kafka,sftp]" \
    && /opt/kardus/bin/python -m pip uninstall --yes --quiet pip

FROM python:3.12.8-slim-bookworm
RUN groupadd --system --gid 10001 kardus \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/kardus --shell /usr/sbin/nologin kardus \
    && install --directory --owner kardus --group kardus --mode 0750 /var/lib/kardus
COPY --from=build /opt/kardus /opt/kardus
RUN PYTHONDONTWRITEBYTECODE="" /opt/kardus/bin/python /opt/kardus/byte_code.py 'kardus.*' 'warehouse.*'
ENV PATH=/opt/kardus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/kardus
VOLUME /var/lib/kardus
ENTRYPOINT ["kardus-wms"]
CMD ["--help"]
