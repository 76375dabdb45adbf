# Build and use: docs/python.md, A container.
ARG BASE=python:3.11-slim
FROM ${BASE}

# An index of PyTorch's CPU builds makes the image much smaller. Arguments are variables for pip.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

# CUDA images of Ubuntu have no Python, or another one.
RUN command -v python3.11 > /dev/null || { \
      apt-get update \
      && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3.11 python3.11-venv \
      && rm -rf /var/lib/apt/lists/*; \
    }
RUN python3.11 -m venv /opt/lifespan && useradd --create-home --uid 1000 lifespan
ENV PATH=/opt/lifespan/bin:$PATH

WORKDIR /lifespan
# Packages come before the code, so that a change of the code does not install them again.
COPY requirements.txt build-constraints.txt ./
RUN PIP_CONSTRAINT=build-constraints.txt PIP_BUILD_CONSTRAINT=build-constraints.txt pip install -r requirements.txt
COPY --chown=lifespan:lifespan . .
RUN mkdir -p results && chown lifespan:lifespan . results
USER lifespan

ENTRYPOINT ["python"]
CMD ["test.py", "--help"]
