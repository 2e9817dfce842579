#!/usr/bin/env bash
set -e
FLYWAY=${FLYWAY_IMAGE:-flyway/flyway:10}
docker run --rm -v "$(pwd)/sql:/flyway/sql" "$FLYWAY" migrate
