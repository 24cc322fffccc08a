/* SPDX-License-Identifier: Apache-2.0
 * The request gate: framing, target, Host and the other single fields, judged on plain values
 * before anything else sees a request. It is the second line behind the parser's own checks and the
 * only one that answers with our error documents. Pure: no I/O, no clock, no allocation. */
#pragma once

#include "base/error.h"
#include "base/str.h"

/* What the gate needs to know of a header section; filled by gate_field() for each field. */
struct gate_facts {
    struct str method;
    struct str target;   /* raw, as on the wire */
    size_t target_bytes; /* its length on the wire, also when target was cut */
    bool http_1_0;
    size_t header_bytes; /* request line and fields */

    size_t content_lengths;
    struct str content_length;
    size_t transfer_encodings;
    struct str transfer_encoding;
    size_t hosts;
    struct str host;
    size_t authorizations;
    size_t content_types;
    struct str content_type;
    size_t content_encodings;
    struct str content_encoding;
    size_t expects;
    struct str expect;
    bool bad_name;  /* a field name that is no token */
    bool bad_value; /* a field value with NUL, CR, LF or another control character */
};

void gate_field(struct gate_facts *facts, struct str name, struct str value);

struct gate_limits {
    size_t uri_max_bytes;
    size_t header_max_bytes;
    size_t body_max_bytes;
};

/* Why a request is refused. reason is a literal for our log. close: the connection cannot be
 * trusted, or not be used, any further. */
struct gate_verdict {
    enum err code; /* ERR_OK: passed */
    const char *reason;
    bool close;
};

/* Framing, sizes, target form and Host: what makes the rest of the connection doubtful. */
struct gate_verdict gate_check_message(const struct gate_facts *facts,
                                       const struct gate_limits *limits);
/* Fields that concern a known route: Expect, Authorization, and a query where none is taken. */
struct gate_verdict gate_check_fields(const struct gate_facts *facts, bool takes_query);

/* The body that the header announces. */
enum gate_body { GATE_BODY_ABSENT, GATE_BODY_SIZED, GATE_BODY_CHUNKED };
/* Of facts that passed gate_check_message(). *ret_bytes is the Content-Length, 0 when chunked. */
enum gate_body gate_body(const struct gate_facts *facts, uint64_t *ret_bytes);
struct gate_verdict gate_check_body_size(const struct gate_facts *facts,
                                         const struct gate_limits *limits);
/* For a route that takes no body. */
struct gate_verdict gate_check_no_body(const struct gate_facts *facts);
/* For a route that takes JSON: there is a body, of type application/json in UTF-8. */
struct gate_verdict gate_check_json_body(const struct gate_facts *facts);

/* Path and query (ptr NULL when there is no '?') of a target in origin form. */
void gate_split_target(struct str target, struct str *ret_path, struct str *ret_query);
/* True for application/json with any parameters, but a charset must be utf-8. */
bool gate_is_json(struct str content_type);
