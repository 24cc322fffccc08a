/* SPDX-License-Identifier: Apache-2.0
 * Where the certificates of the public authorities are. */
#include <curl/curl.h>
#include <unistd.h>

#include "net/http_client.h"

const char *http_client_system_store(void)
{
    /* Where this libcurl would look, then where distributions keep them. */
    const char *const files[] = {
        curl_version_info(CURLVERSION_NOW)->cainfo,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i] && access(files[i], R_OK) == 0)
            return files[i];
    }
    return NULL;
}
