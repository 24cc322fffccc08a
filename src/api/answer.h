/* SPDX-License-Identifier: Apache-2.0
 * What the vendor's 4xx answers of one operation mean for the app, as a table. */
#pragma once

#include "api/flow.h"

struct answer_rule {
    int status;
    const char *code; /* the vendor's machine code; NULL: any or none */
    enum err result;  /* ERR_OK: as good as done */
};

/* After a send. A 2xx is ERR_OK. Else the first rule that fits; its failure carries the vendor's
 * code (the log's reason, and the app's upstream_code where it is allowed). A status that no rule
 * names is ERR_UPSTREAM_INVALID_RESPONSE. */
NODISCARD enum err answer_map(struct flow *f, const struct answer_rule *rules, size_t count);
bool answer_is_success(const struct call_answer *answer);
