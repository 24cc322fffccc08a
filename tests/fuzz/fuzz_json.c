/* SPDX-License-Identifier: Apache-2.0
 * base/json: a refusal says where and why, and what is printed is the same document again. */
#include "fuzz.h"

#include "base/buf.h"
#include "base/json.h"

/* Numbers may print longer than they were written. */
enum { PRINTED_BYTES_MAX = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct json_limits LIMITS = {
        .bytes_max = 65536, .depth_max = 16, .values_max = 4096};
    static const struct json_limits WIDE = {
        .bytes_max = PRINTED_BYTES_MAX, .depth_max = 16, .values_max = 4096};
    const struct str text = {(const char *)bytes, len};
    AUTO_JSON struct json *root = NULL;
    AUTO_JSON struct json *again = NULL;
    AUTO_BUF struct buf printed;
    AUTO_BUF struct buf reprinted;
    struct json_error error = {0};

    buf_init(&printed, PRINTED_BYTES_MAX);
    buf_init(&reprinted, PRINTED_BYTES_MAX);
    if (json_parse(text, &LIMITS, &root, &error) != ERR_OK) {
        FUZZ_CHECK(!root && error.what && error.offset <= len);
        return 0;
    }

    json_print(&printed, root);
    FUZZ_CHECK(buf_ok(&printed));
    FUZZ_CHECK(json_parse(buf_str(&printed), &WIDE, &again, &error) == ERR_OK);
    json_print(&reprinted, again);
    FUZZ_CHECK(str_eq(buf_str(&printed), buf_str(&reprinted)));
    return 0;
}
