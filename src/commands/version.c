/* SPDX-License-Identifier: Apache-2.0
 * `version`: the version of the service and of the libraries that matter to its security. */
#include <stdio.h>

#include "base/crypto.h"
#include "commands/commands.h"
#include "net/http_client.h"

int command_version(const struct invocation *in)
{
    (void)fprintf(stdout, "biometrics-bff %s\nlibmicrohttpd %s\nlibcurl %s\nOpenSSL %s\n",
                  BFF_VERSION, http_server_library_version(), http_client_library_version(),
                  crypto_library_version());
    return EXIT_GOOD;
}
