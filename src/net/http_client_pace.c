/* SPDX-License-Identifier: Apache-2.0
 * Making a connection costs the processor many times what a call on an existing one costs, and
 * after a cold start or a restart of the vendor all calls want one at the same moment. So a turn of
 * the loop does only so much of it, and what is left waits a turn, in the queue or in the kernel.
 * Calls for which a connection is idle do not wait. How many connections are being made at a time
 * is not limited: while they wait for the network they cost nothing. Answers cost much when they
 * are as long as they may be, or when there are thousands of connections, and many come at once. */
#include <curl/curl.h>

#include "base/clock.h"
#include "net/http_client_internal.h"

static unsigned steps_of_turn(struct http_client *c)
{
    const uint64_t turn = loop_turn(c->loop);

    if (c->steps_turn != turn) {
        c->steps_turn = turn;
        c->turn_began_us = clock_mono_us();
        c->steps = 0;
        c->answer_steps = 0;
    }
    return c->steps;
}

void client_step(struct http_client *c)
{
    c->steps = steps_of_turn(c) + 1;
}

void client_count_answer(struct http_client *c, size_t bytes)
{
    (void)steps_of_turn(c);
    c->answer_bytes += bytes;
    c->answer_steps += (unsigned)(c->answer_bytes / STEP_ANSWER_BYTES);
    c->answer_bytes %= STEP_ANSWER_BYTES;
}

static void on_admission(struct deferred *d)
{
    client_admit_waiting(d->arg);
}

static void admit_later(struct http_client *c)
{
    loop_defer(c->loop, &c->admission, on_admission, c);
}

/* The connections that are being made go first: who is admitted before their events would have as
 * many steps of the turn again. */
bool client_admits_later(struct http_client *c)
{
    if (c->in_event)
        admit_later(c);
    return c->in_event;
}

/* libcurl chooses later, and not always as we expect: an idle connection may be too old for it, or
 * one to another host. Hence REUSES_MAX. What waits for a step is tried again in the next turn;
 * what waits for libcurl's choice, when libcurl was driven. */
bool client_may_begin(struct http_client *c, const struct call *call)
{
    const unsigned idle = c->idle < REUSES_MAX ? c->idle : REUSES_MAX;
    const unsigned steps = steps_of_turn(c);

    if (c->multiplexes && !call->fresh)
        return true;
    if (c->undecided + steps < STEPS_MAX + (call->fresh ? 0 : idle))
        return true;
    if (steps > 0)
        admit_later(c);
    return false;
}

void client_begun(struct call *call)
{
    call->undecided = true;
    call->client->undecided++;
}

void client_decided(struct call *call)
{
    if (!call->undecided)
        return;
    call->undecided = false;
    call->client->undecided--;
}

/* The kernel tells of it again. Calls on existing connections go on, unless they are being repeated
 * by libcurl, each on a new one. Long answers put off what else the turn would read, but keep
 * nobody from beginning: they may come in every turn. */
bool client_event_waits(struct http_client *c, const struct client_socket *s)
{
    const unsigned steps = steps_of_turn(c) + c->answer_steps;

    return steps >= (s->used ? STEPS_MAX + REUSES_MAX : STEPS_MAX) ||
           clock_mono_us() - c->turn_began_us > EVENTS_US;
}

void client_count_idle(struct client_socket *s)
{
    /* One that spoke unasked is not watched any more. */
    const bool idle = s->connection && s->used && s->wanted == 0 && s->watch.active;

    if (idle != s->idle)
        s->client->idle += idle ? 1U : -1U;
    s->idle = idle;
}

bool client_was_http2(void *easy)
{
    long version = 0;

    return curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK &&
           version == CURL_HTTP_VERSION_2_0;
}
