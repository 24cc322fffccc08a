/* SPDX-License-Identifier: Apache-2.0
 * JSON lines with ECS names on standard output (text for people on a terminal). A line is encoded
 * into the calling thread's ring and written by one log thread, so logging never blocks a loop;
 * when a ring is full the line is dropped and counted. Secrets, tokens, bodies and personal ids are
 * not passed in; log_user_hash() makes the keyed hash that stands for a user id. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

enum log_field_kind { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BOOL };
struct log_field {
    const char *name; /* ECS name, e.g. "http.response.status_code"; NULL: the field is skipped */
    enum log_field_kind kind;
    struct str
        text; /* control characters and invalid UTF-8 are escaped; ptr NULL: the field is skipped */
    int64_t number;
};

#define LOG_S(n, z)                                                                                \
    {                                                                                              \
        .name = (n), .kind = LOG_FIELD_STR, .text = str_of(z)                                      \
    }
#define LOG_STR(n, s)                                                                              \
    {                                                                                              \
        .name = (n), .kind = LOG_FIELD_STR, .text = (s)                                            \
    }
#define LOG_I(n, i)                                                                                \
    {                                                                                              \
        .name = (n), .kind = LOG_FIELD_INT, .number = (i)                                          \
    }
#define LOG_B(n, b)                                                                                \
    {                                                                                              \
        .name = (n), .kind = LOG_FIELD_BOOL, .number = (b)                                         \
    }

/* action: ECS event.action, a dotted lower-case literal; message: a short sentence, no variable
 * parts. */
#define LOG(level, action, message, ...)                                                           \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write((level), (action), (message), log_fields_,                                   \
                      sizeof(log_fields_) / sizeof(log_fields_[0]));                               \
        }                                                                                          \
    } while (0)

/* The same whatever level is set: what happens once in the life of the process, or somebody asked
 * for. level is what the line shows. */
#define LOG_ANYWAY(level, action, message, ...)                                                    \
    do {                                                                                           \
        const struct log_field log_fields_[] = {__VA_ARGS__};                                      \
        log_write_anyway((level), (action), (message), log_fields_,                                \
                         sizeof(log_fields_) / sizeof(log_fields_[0]));                            \
    } while (0)

/* Starts the log thread. fd: usually 1. hash_key: 32 bytes for log_user_hash(), copied. */
NODISCARD bool log_start(int fd, enum log_format format, enum log_level level,
                         const uint8_t hash_key[32]);
/* Writes what is queued (waits at most wait_ms for a reader) and ends the thread. */
void log_stop(int wait_ms);
bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *action, const char *message,
               const struct log_field *fields, size_t count);
void log_write_anyway(enum log_level level, const char *action, const char *message,
                      const struct log_field *fields, size_t count);
enum log_level log_level(void);
const char *log_level_name(enum log_level level);
uint64_t log_dropped(void);
bool log_level_parse(struct str text, enum log_level *ret);

enum { LOG_HASH_BYTES = 25 };
/* First 12 bytes of HMAC-SHA256(hash key, id) in hex. out holds LOG_HASH_BYTES. */
void log_user_hash(struct str id, char out[LOG_HASH_BYTES]);
