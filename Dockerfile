# SPDX-License-Identifier: Apache-2.0
# Two images from one build: `service` (the default, last stage) and `emulator`, for development only.
# The final stages hold a binary, the libraries that it loads, CA certificates, licence texts and the
# bill of materials (docs/image.md); no shell, no package manager.
ARG BASE=docker.io/library/debian:trixie-slim

FROM ${BASE} AS build
WORKDIR /source
# Dependencies first: they change less often than the code.
COPY tools/common.sh tools/deps.sh tools/
RUN bash -c '. tools/common.sh && . tools/deps.sh && need_packages build'
COPY tools/libmicrohttpd.sh tools/libmicrohttpd_zero.h tools/
RUN bash -c '. tools/common.sh && . tools/deps.sh && need build'
COPY . .
# Seconds since 1970 that stand for the time of the build: equal sources give equal files.
ARG SOURCE_DATE_EPOCH=0
RUN ./dev build -Dtests=false \
 && tools/rootfs.sh build/src/biometrics-bff /rootfs/service .cache/libmicrohttpd/* \
 && tools/rootfs.sh build/emulator/mosaic-emulator /rootfs/emulator .cache/libmicrohttpd/*

FROM scratch AS emulator
LABEL org.opencontainers.image.title="mosaic-emulator" \
      org.opencontainers.image.description="Emulator of the identity API, for development and tests only" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /rootfs/emulator /
USER 65532:65532
EXPOSE 9443/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/mosaic-emulator"]
CMD ["--listen", "0.0.0.0:9443"]

FROM scratch AS service
LABEL org.opencontainers.image.title="biometrics-bff"
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
# Where the project lives; a fork or a registry gives its own.
ARG URL=https://biometrics-bff.invalid
ARG BASE
ARG BASE_DIGEST=unknown
COPY --from=build /rootfs/service /
USER 65532:65532
# app API, management (probes and metrics)
EXPOSE 8080/tcp 9464/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/usr/bin/biometrics-bff", "healthcheck"]
ENTRYPOINT ["/usr/bin/biometrics-bff"]
CMD ["serve"]
LABEL org.opencontainers.image.description="Backend for biometric login of mobile apps, in front of the Mosaic identity API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.authors="The biometrics-bff authors" \
      org.opencontainers.image.vendor="biometrics-bff" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.url="${URL}" \
      org.opencontainers.image.source="${URL}" \
      org.opencontainers.image.documentation="${URL}#readme" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
