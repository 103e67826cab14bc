# Training and export, with torch: docker build -f deploy/images/training.Dockerfile -t kardus-training .
# docker run --rm --gpus all -v "$PWD:/work" kardus-training fit photos --out runs/first
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
    && /opt/kardus/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check -c constraints.txt ".[export]"

FROM python:3.12.8-slim-bookworm
RUN groupadd --system --gid 10001 kardus \
    && useradd --system --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin kardus
COPY --from=build /opt/kardus /opt/kardus
RUN PYTHONDONTWRITEBYTECODE="" /opt/kardus/bin/python /opt/kardus/byte_code.py 'kardus.*' 'simulator.*' 'train.*' 'export.*'
ENV PATH=/opt/kardus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["kardus-train"]
CMD ["--help"]
