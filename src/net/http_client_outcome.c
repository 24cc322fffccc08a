/* SPDX-License-Identifier: Apache-2.0
 * What the end of a transfer means: libcurl's code and what our callbacks saw become a
 * call_answer, or the wish to try once more. */
#include "net/http_client_internal.h"

#include <curl/curl.h>
#include <stdlib.h>

/* CURLE_TOO_LARGE of libcurl >= 8.6: its own limit on headers. */
enum { CODE_TOO_LARGE = 100 };

/* A whole answer arrived; is it one that may be used? */
static const char *answer_flaw(const struct call *call, long status)
{
    if (call->head.refused)
        return call->head.refused;
    if (status >= 300 && status < 400)
        return "redirect";
    if (status < 200 || status > 599)
        return "status out of range";
    return NULL;
}

/* Codes that are the answer's fault, not the connection's. */
static bool is_bad_answer(const struct call *call, CURLcode code)
{
    static const CURLcode CODES[] = {
        CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING,
        (CURLcode)CODE_TOO_LARGE, CURLE_UNSUPPORTED_PROTOCOL, /* HTTP/0.9 */
        CURLE_WRITE_ERROR,        CURLE_FILESIZE_EXCEEDED,
    };

    if (call->head.refused || !buf_ok(&call->answer))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (CODES[i] == code)
            return true;
    }
    return false;
}

static enum call_result result_of_failure(const struct call *call, CURLcode code, bool sent)
{
    if (!sent)
        return CALL_NOT_SENT;
    return is_bad_answer(call, code) ? CALL_BAD_ANSWER : CALL_BROKEN;
}

static const char *reason_of_failure(const struct call *call, CURLcode code)
{
    if (call->aborted)
        return call->aborted;
    return call->text[0] ? call->text : curl_easy_strerror(code);
}

/* Of the list of texts that libcurl has of the first certificate; a copy, because the list ends
 * with the handle, before the answer is delivered. */
static char *copy_certificate(const struct call *call)
{
    static const char PEM[] = "Cert:";
    struct curl_certinfo *info = NULL;

    if (!call->client->wants_certificate ||
        curl_easy_getinfo(call->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs == 0)
        return NULL;
    for (const struct curl_slist *text = info->certinfo[0]; text; text = text->next) {
        if (strncmp(text->data, PEM, strlen(PEM)) == 0)
            return strdup(text->data + strlen(PEM));
    }
    return NULL;
}

struct call_answer call_outcome(struct call *call, int curl_code)
{
    const CURLcode code = (CURLcode)curl_code;
    call->certificate = copy_certificate(call);
    struct call_answer answer = {
        .may_have_been_sent = call_transfer_sent(call),
        .charset_ok = call->head.charset_ok,
        .retry_after_s = call->head.retry_after_s,
        .date = call->head.date,
        .certificate = call->certificate,
    };
    long status = 0;

    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    if (code != CURLE_OK) {
        answer.result = result_of_failure(call, code, answer.may_have_been_sent);
        answer.reason = reason_of_failure(call, code);
        return answer;
    }
    /* libcurl takes a connection that ends inside the header for the end of an answer without a
     * body: 200 with half of its fields. */
    if (!call->head.complete) {
        answer.result = CALL_BROKEN;
        answer.reason = "the connection ended in the header of the answer";
        return answer;
    }
    answer.reason = answer_flaw(call, status);
    answer.result = answer.reason ? CALL_BAD_ANSWER : CALL_ANSWERED;
    if (answer.result == CALL_ANSWERED)
        answer.body = call->answer.ptr ? buf_str(&call->answer) : STR("");
    if (call->head.media_type[0])
        answer.content_type = str_of(call->head.media_type);
    return answer;
}

/* A pooled connection may have been closed by the vendor while our request was on its way. libcurl
 * repeats some of these cases itself, but not where sending failed. */
bool call_may_repeat(const struct call *call, int curl_code)
{
    long connects = 0;

    if (call->fresh || call->head.bytes > 0 || curl_code == CURLE_OK)
        return false;
    if (call->connection_stale)
        return true;
    if (call->request.run_once && call_transfer_sent(call))
        return false;
    (void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && (curl_code == CURLE_SEND_ERROR || curl_code == CURLE_RECV_ERROR ||
                             curl_code == CURLE_GOT_NOTHING);
}
