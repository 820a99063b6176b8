# petalface with its server. amd64 and arm64: `docker build -t petalface .`; docs/container.md says how to run it.
ARG BASE=docker.io/library/node:24-bookworm-slim

FROM ${BASE} AS build
# For networks with a certificate authority of their own; used while building only.
ARG NODE_EXTRA_CA_CERTS
WORKDIR /src
COPY . .
RUN npm ci && npm run pack
WORKDIR /app
RUN npm init --yes >/dev/null && npm install --omit=dev /src/packed/*.tgz && npm cache clean --force

FROM ${BASE}
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin petalface \
 && install --directory --owner=10001 /data
COPY --from=build /app /app
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 PETALFACE_CACHE=/data/cache
# The gallery, the keys and fetched models; all else may be read-only.
VOLUME /data
WORKDIR /data
USER 10001
EXPOSE 8787
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8787/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/node_modules/.bin/petalface"]
CMD ["serve", "--gallery", "/data/people.db", "--keys", "/data/keys.json", "--host", "0.0.0.0"]
