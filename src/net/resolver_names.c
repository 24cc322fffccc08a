/* SPDX-License-Identifier: Apache-2.0
 * Snapshots of the address table and how readers hear of new ones. */
#include "net/resolver_internal.h"

/* ---- snapshots */

static void fill_row(struct name *row, const struct origin *o)
{
    row->origin_len = strlen(o->text);
    memcpy(row->origin, o->text, sizeof(row->origin));
    memcpy(row->host, o->host_text, sizeof(row->host));
    row->port = o->port;
    row->literal = !o->host;
    if (o->host)
        row->record = o->host->record;
}

static bool has_suspect(const struct name_record *r)
{
    for (size_t i = 0; i < r->address_count; i++) {
        if (address_is_suspect(&r->addresses[i]))
            return true;
    }
    return false;
}

struct names *names_make(const struct resolver *r)
{
    struct names *n = calloc(1, sizeof(*n) + r->origin_count * sizeof(n->rows[0]));

    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->count = r->origin_count;
    for (size_t i = 0; i < n->count; i++) {
        fill_row(&n->rows[i], &r->origins[i]);
        n->suspects = n->suspects || has_suspect(&n->rows[i].record);
    }
    return n;
}

struct names *resolver_names(struct resolver *r)
{
    (void)pthread_mutex_lock(&r->lock);
    struct names *n = r->names;
    (void)atomic_fetch_add(&n->refs, 1);
    (void)pthread_mutex_unlock(&r->lock);
    return n;
}

void names_unref(struct names *n)
{
    if (n && atomic_fetch_sub(&n->refs, 1) == 1)
        free(n);
}

const struct name *names_find(const struct names *n, const char *url)
{
    for (size_t i = 0; i < n->count; i++) {
        const struct name *row = &n->rows[i];
        if (strncmp(url, row->origin, row->origin_len) != 0)
            continue;
        const char after = url[row->origin_len];
        if (after == '/' || after == '\0' || after == '?' || after == '#')
            return row;
    }
    return NULL;
}

bool names_suspect(const struct names *n, const struct ip *ip)
{
    for (size_t i = 0; i < n->count && n->suspects; i++) {
        const struct name_record *r = &n->rows[i].record;
        for (size_t k = 0; k < r->address_count; k++) {
            const struct name_address *a = &r->addresses[k];
            if (address_is_suspect(a) && memcmp(a->ip.bytes, ip->bytes, sizeof(ip->bytes)) == 0)
                return true;
        }
    }
    return false;
}

/* ---- watches */

static void free_watch(struct resolver_watch *w)
{
    struct resolver_watch **at = &w->resolver->watches;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    free(w);
}

static void on_post(struct post *p)
{
    struct resolver_watch *w = (void *)((char *)p - offsetof(struct resolver_watch, post));
    struct resolver *r = w->resolver;

    (void)pthread_mutex_lock(&r->lock);
    w->posted = false;
    const bool stopped = w->stopped;
    if (stopped)
        free_watch(w);
    (void)pthread_mutex_unlock(&r->lock);
    if (!stopped)
        w->on_news(w->arg);
}

void resolver_publish(struct resolver *r)
{
    struct names *n = names_make(r);

    if (!n)
        return;
    names_unref(r->names);
    r->names = n;
    r->health_due = false;
    for (struct resolver_watch *w = r->watches; w; w = w->next) {
        if (w->posted || w->stopped)
            continue;
        w->posted = true;
        loop_post(w->loop, &w->post, on_post);
    }
}

struct resolver_watch *resolver_watch_start(struct resolver *r, struct loop *l,
                                            resolver_news_fn *on_news, void *arg)
{
    struct resolver_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    *w = (struct resolver_watch){.resolver = r, .loop = l, .on_news = on_news, .arg = arg};
    (void)pthread_mutex_lock(&r->lock);
    w->next = r->watches;
    r->watches = w;
    (void)pthread_mutex_unlock(&r->lock);
    return w;
}

/* What is on its way to the loop is freed there, or with the resolver when the loop went first. */
void resolver_watch_stop(struct resolver_watch *w)
{
    if (!w)
        return;
    struct resolver *r = w->resolver;
    (void)pthread_mutex_lock(&r->lock);
    w->stopped = true;
    if (!w->posted)
        free_watch(w);
    (void)pthread_mutex_unlock(&r->lock);
}
