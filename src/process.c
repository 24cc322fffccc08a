/* SPDX-License-Identifier: Apache-2.0
 * Environment, limits and signals of the process; see process.h. */
#include "process.h"

#include <errno.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/crypto.h"
#include "base/wipe.h"
#include "config/config.h"

enum {
    OWN_PAGES_BYTES_MIN = 128 * 1024,
    /* What a heap keeps above its last block, so that a busy worker does not give it back and take
     * it again. */
    HEAP_SPARE_BYTES_MAX = 1024 * 1024,
};

/* What libraries may still see. A name that ends in '*' stands for all that begin so. Left out on
 * purpose, for whoever sets one of these for the process would steer what only the configuration
 * shall: SSLKEYLOGFILE (writes the keys of TLS connections into a file), *_proxy and CURL_* (send
 * calls elsewhere), SSL_CERT_*, OPENSSL_* and CURL_CA_BUNDLE (trust others, load modules),
 * GCONV_PATH and NLSPATH (load modules and formats), RES_OPTIONS, LOCALDOMAIN and HOSTALIASES (find
 * other hosts), MALLOC_* and GLIBC_TUNABLES (the allocator), LD_* (for programs started later;
 * there are none). */
static const char *const ALLOWED[] = {"PATH",          "TZ",         "LANG",    "LC_*",
                                      "NOTIFY_SOCKET", "WATCHDOG_*", "LISTEN_*"};

static bool is_allowed(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(ALLOWED); i++) {
        const struct str row = str_of(ALLOWED[i]);
        const bool is_family = row.ptr[row.len - 1] == '*';
        if (is_family ? str_starts_with(key, (struct str){row.ptr, row.len - 1}) : str_eq(key, row))
            return true;
    }
    return false;
}

static struct str key_of(const char *entry)
{
    return (struct str){entry, strcspn(entry, "=")};
}

/* Copies of the entries that keep(key) wants; NULL: out of memory. */
static char **copy_entries(char **entries, bool (*keep)(struct str key))
{
    size_t count = 0, kept = 0;

    while (entries && entries[count])
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        if (!keep(key_of(entries[i])))
            continue;
        copy[kept] = strdup(entries[i]);
        if (!copy[kept++]) {
            process_free_environment(copy);
            return NULL;
        }
    }
    return copy;
}

static bool is_ours(struct str key)
{
    return str_starts_with(key, STR("BFF_"));
}

void process_free_environment(char **copy)
{
    for (size_t i = 0; copy && copy[i]; i++) {
        crypto_cleanse(copy[i], strlen(copy[i]));
        free(copy[i]);
    }
    free(copy);
}

static void overwrite_values(char **entries, bool (*of)(struct str key))
{
    for (size_t i = 0; entries && entries[i]; i++) {
        const struct str key = key_of(entries[i]);
        char *value = entries[i] + key.len;
        if (*value == '=' && of(key))
            crypto_cleanse(value + 1, strlen(value + 1));
    }
}

void process_overwrite_secrets(char **entries)
{
    overwrite_values(entries, config_key_is_secret);
}

/* A secret may stand under a misspelt name, or be meant for others and here by mistake. */
static bool is_not_allowed(struct str key)
{
    return !is_allowed(key);
}

static bool replace_environment(char **allowed)
{
    if (clearenv() != 0)
        return false;
    for (size_t i = 0; allowed[i]; i++) {
        char *equals = strchr(allowed[i], '=');
        if (!equals)
            continue;
        *equals = '\0';
        if (setenv(allowed[i], equals + 1, 1) != 0)
            return false;
    }
    return true;
}

char **process_take_environment(void)
{
    char **ours = copy_entries(environ, is_ours);
    char **allowed = copy_entries(environ, is_allowed);

    overwrite_values(environ, is_not_allowed);
    const bool good = ours && allowed && replace_environment(allowed);
    process_free_environment(allowed);
    if (good)
        return ours;
    process_free_environment(ours);
    return NULL;
}

bool process_harden(void)
{
    const struct rlimit no_core = {0, 0};

    wipe_on_this_thread();
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    return setrlimit(RLIMIT_CORE, &no_core) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

void process_tune_memory(void)
{
    /* glibc raises the size from which a block gets pages of its own once such a block was freed;
     * the tables then come from the heap, where calloc() writes zeros into used pages. */
    (void)mallopt(M_MMAP_THRESHOLD, OWN_PAGES_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES_MAX);
    /* A huge page would make 2 MiB of the first entry in a table. Refused: nothing is lost. */
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

uint64_t process_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}

static sigset_t handled_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGIO);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGUSR2);
    return set;
}

void process_block_signals(void)
{
    const sigset_t set = handled_signals();

    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool process_end_is_pending(void)
{
    sigset_t pending;

    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
           sigismember(&pending, SIGQUIT) == 1;
}

int process_wait_signal(int64_t wait_ms)
{
    const sigset_t set = handled_signals();
    const struct timespec wait = {.tv_sec = wait_ms / 1000,
                                  .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    int signal_number;

    do {
        signal_number = wait_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &wait);
    } while (signal_number < 0 && errno == EINTR && wait_ms < 0);
    return signal_number > 0 ? signal_number : 0;
}
