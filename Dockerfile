FROM python:3.14-slim AS build
WORKDIR /src
# docs/operating.md#compiled; 0: the source as it is.
ARG SLUICEGATE_COMPILE=1
RUN [ "$SLUICEGATE_COMPILE" != 1 ] || { apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev; }
COPY pyproject.toml setup.py README.md LICENSE ./
COPY proxy proxy
RUN python -m venv /opt/sluice && /opt/sluice/bin/pip install --no-cache-dir '.[http3]'

FROM python:3.14-slim
RUN useradd --system --create-home --uid 10001 sluice
COPY --from=build /opt/sluice /opt/sluice
COPY filters/built /srv/sluice/filters/built
COPY demo/sluice.yaml /srv/sluice/demo/sluice.yaml
ENV PATH=/opt/sluice/bin:$PATH
USER sluice
WORKDIR /srv/sluice
EXPOSE 8080
STOPSIGNAL SIGTERM
# The admin listener stays on the container's loopback, where this check runs.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9901/healthz', timeout=2)"]
ENTRYPOINT ["sluice"]
CMD ["run", "demo/sluice.yaml"]
