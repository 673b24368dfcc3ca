# One image for every process of Hone; docker-compose.yml says which one a container runs.
#   docker build --target web .      pages only, without torch
#   docker build --target full .     everything (the default)
FROM python:3.11-slim AS front
WORKDIR /srv/hone
COPY requirements/front.txt package.json package-lock.json ./
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --requirement front.txt && npm ci --omit=dev --no-audit --no-fund
RUN npm run --silent vendor

FROM python:3.11-slim AS web
RUN useradd --create-home --uid 1000 hone && mkdir --mode 700 /data && chown hone /data
WORKDIR /srv/hone
ENV PYTHONUNBUFFERED=1 HONE_DATA_DIR=/data HONE_HOST=0.0.0.0
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY requirements requirements
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --requirement requirements/web.txt
COPY app app
COPY formats formats
COPY hone_client hone_client
COPY rlhf rlhf
COPY workers workers
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
COPY migrations migrations
COPY templates templates
COPY static static
COPY --from=front /srv/hone/static/vendor static/vendor
USER hone
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["hone"]
CMD ["process", "web"]

FROM web AS full
USER root
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --requirement requirements/run.txt \
    && pip install --no-cache-dir --constraint constraints.txt torch
USER hone
