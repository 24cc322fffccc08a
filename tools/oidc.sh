#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the pinned oidc-provider into the cache, once for each lock file, and runs tests/oidc against
# the binaries in BFF_BUILD_DIR. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
. tools/common.sh

at=$CACHE/oidc-provider
files=(package.json package-lock.json .npmrc)

install_provider() {
    rm -rf "$at"
    mkdir -p "$at"
    cp "${files[@]/#/tests/oidc/}" "$at"
    (cd "$at" && npm ci --no-progress)
    cp tests/oidc/package-lock.json "$at/installed"
}

cmp -s "$at/installed" tests/oidc/package-lock.json ||
    step "installing oidc-provider" oidc-provider install_provider
cp tests/oidc/provider.mjs "$at"
export BFF_OIDC_PROVIDER=$at BFF_TEST_REPORT_DIR=${BFF_TEST_REPORT_DIR:-$BFF_BUILD_DIR/reports-oidc}
exec tests/run tests/oidc "$@"
