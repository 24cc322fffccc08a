/* SPDX-License-Identifier: Apache-2.0
 * How calls to the vendor ended, by operation. */
#include "base/clock.h"
#include "net/http_client_internal.h"
#include "observe/metrics.h"

#define CALL_OUTCOME_TABLE(X)                                                                      \
    X(OUTCOME_2XX, "2xx")                                                                          \
    X(OUTCOME_4XX, "4xx")                                                                          \
    X(OUTCOME_5XX, "5xx")                                                                          \
    X(OUTCOME_NOT_SENT, "not_sent")                                                                \
    X(OUTCOME_BROKEN, "broken")                                                                    \
    X(OUTCOME_TIMED_OUT, "timed_out")                                                              \
    X(OUTCOME_BAD_ANSWER, "bad_answer")                                                            \
    X(OUTCOME_CANCELLED, "cancelled")                                                              \
    X(OUTCOME_OTHER, "_OTHER")
enum call_outcome_label {
#define X(id, label) id,
    CALL_OUTCOME_TABLE(X)
#undef X
        OUTCOME_COUNT
};
static const char *const OUTCOME_LABELS[OUTCOME_COUNT] = {
#define X(id, label) [id] = label,
    CALL_OUTCOME_TABLE(X)
#undef X
};

/* Part of the metric registry: written once before any thread exists. */
static const char *const *operation_labels;
static size_t operation_count;

void http_client_register_metrics(const char *const *operations, size_t count)
{
    operation_labels = operations;
    operation_count = count;
    metric_label_values(M_HTTP_CLIENT_DURATION, "operation", operations, count);
    metric_label_values(M_HTTP_CLIENT_DURATION, "result", OUTCOME_LABELS, OUTCOME_COUNT);
}

static unsigned operation_index(const char *label)
{
    for (size_t i = 0; label && i < operation_count; i++) {
        if (strcmp(operation_labels[i], label) == 0)
            return (unsigned)i;
    }
    return operation_count > 0 ? (unsigned)operation_count - 1 : 0;
}

static enum call_outcome_label outcome_label(const struct call_answer *answer)
{
    if (!answer)
        return OUTCOME_CANCELLED;
    switch (answer->result) {
    case CALL_ANSWERED:
        if (answer->status >= 500)
            return OUTCOME_5XX;
        return answer->status >= 400 ? OUTCOME_4XX : OUTCOME_2XX;
    case CALL_NOT_SENT:
        return OUTCOME_NOT_SENT;
    case CALL_BROKEN:
        return OUTCOME_BROKEN;
    case CALL_TIMED_OUT:
        return OUTCOME_TIMED_OUT;
    case CALL_BAD_ANSWER:
        return OUTCOME_BAD_ANSWER;
    }
    return OUTCOME_OTHER;
}

void client_count_end(const struct call *call, const struct call_answer *answer)
{
    const double seconds = (double)(clock_mono_us() - call->started_us) / 1e6;

    metric_gauge_add(M_HTTP_CLIENT_ACTIVE, 0, -1);
    metric_observe(M_HTTP_CLIENT_DURATION, operation_index(call->request.label),
                   outcome_label(answer), 0, 0, seconds);
}
