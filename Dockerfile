# SPDX-License-Identifier: Apache-2.0
#
# docker build -t leveret . && docker run -p 5672:5672 -p 15672:15672 leveret: docs/installing.md.
FROM debian:bookworm-slim AS build
COPY . /source
WORKDIR /source
RUN scripts/dependencies build && autoreconf --install --force
WORKDIR /build
RUN /source/configure --quiet --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
        --with-systemdsystemunitdir=no CFLAGS='-O2 -g' && \
    make -s -j"$(nproc)" && make -s install-strip DESTDIR=/image && \
    rm -r /image/usr/share/doc

FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
        ca-certificates libcurl4 libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 \
        libjansson4 libldap-2.5-0 libncursesw6 libpcre2-8-0 libsqlite3-0 libssl3 libxxhash0 zlib1g && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 999 leveret && \
    useradd --system --uid 999 --gid leveret --home-dir /var/lib/leveret --no-create-home leveret && \
    install -d -o leveret -g leveret -m 0750 /var/lib/leveret /var/log/leveret
COPY --from=build /image /
COPY etc/docker/leveret-entrypoint /usr/bin/
# Health checks and scripts that call RabbitMQ's programs find ours.
RUN ln -s leveretctl /usr/bin/rabbitmqctl && ln -s leveretctl /usr/bin/rabbitmq-diagnostics && \
    ln -s leveretctl /usr/bin/rabbitmq-plugins && \
    ln -s leveretctl /usr/bin/rabbitmq-queues && ln -s leveretd /usr/bin/rabbitmq-server

ENV LEVERET_DATA_DIR=/var/lib/leveret
VOLUME /var/lib/leveret
EXPOSE 5672 5671 15672 15671 15692
USER leveret
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["leveretctl", "--quiet", "ping"]
ENTRYPOINT ["leveret-entrypoint"]
CMD ["leveretd"]
