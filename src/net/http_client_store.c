/* SPDX-License-Identifier: Apache-2.0
 * Where libcurl looks for the system's certificates, for a clear refusal at start. */
#include <curl/curl.h>
#include <unistd.h>

#include "net/http_client.h"

bool http_client_has_system_store(void)
{
    const curl_version_info_data *built = curl_version_info(CURLVERSION_NOW);

    return (built->cainfo && access(built->cainfo, R_OK) == 0) ||
           (built->capath && access(built->capath, R_OK | X_OK) == 0);
}
