/* SPDX-License-Identifier: Apache-2.0
 * Takes a compact JWS apart (RFC 7515 §7.1) and reads its header. Strict, because two readers that
 * disagree about a token are an attack: one alphabet, no padding, unique members, known sizes. */
#include "identity/jwt_internal.h"

#include "base/base64.h"

enum { PART_HEADER, PART_PAYLOAD, PART_SIGNATURE, PART_COUNT, PART_COUNT_ENCRYPTED = 5 };

/* Decoded; the signature's is that of the largest RSA key, the payload's is the token's. */
enum { HEADER_BYTES_MAX = 1024, SIGNATURE_BYTES_MAX = 512 };

static const struct json_limits HEADER_LIMITS = {
    .bytes_max = HEADER_BYTES_MAX, .depth_max = 8, .values_max = 128};

/* Each would change what is verified or where the key comes from. */
static const char *const REFUSED_MEMBERS[] = {"crit", "b64", "jwk", "jku", "x5u",
                                              "x5c",  "zip", "enc", "cty"};

static enum jwt_reason split(struct str token, struct str parts[PART_COUNT])
{
    size_t count = 0;
    const char *start = token.ptr;
    const char *const end = token.ptr + token.len;

    for (const char *dot = start; dot; start = dot + 1) {
        dot = memchr(start, '.', (size_t)(end - start));
        if (count < PART_COUNT)
            parts[count] = (struct str){start, (size_t)((dot ? dot : end) - start)};
        count++;
        if (!dot)
            break;
    }
    if (count == PART_COUNT_ENCRYPTED)
        return JWT_ENCRYPTED;
    if (count != PART_COUNT)
        return JWT_STRUCTURE;
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (parts[i].len == 0)
            return JWT_STRUCTURE;
    }
    return JWT_OK;
}

static enum jwt_reason decode(struct str text, size_t bytes_max, struct arena *arena,
                              struct str *ret)
{
    if (text.len > base64url_len(bytes_max))
        return JWT_TOO_LARGE;
    uint8_t *bytes = arena_alloc(arena, base64_decoded_max(text.len));
    if (!bytes)
        return JWT_NO_MEMORY;
    if (!base64url_decode(text, bytes, &ret->len))
        return JWT_BASE64;
    ret->ptr = (const char *)bytes;
    return JWT_OK;
}

/* RFC 7515 §4.1.9: compared without regard to case, "application/" may be left out. */
static enum jws_typ typ_read(const struct json *header)
{
    static const struct str PREFIX = {"application/", 12};
    const struct json *member = json_member(header, "typ");
    struct str typ = json_string(member);

    if (!member)
        return JWS_TYP_ABSENT;
    if (typ.len > PREFIX.len && str_eq_nocase((struct str){typ.ptr, PREFIX.len}, PREFIX))
        typ = (struct str){typ.ptr + PREFIX.len, typ.len - PREFIX.len};
    if (str_eq_nocase(typ, STR("JWT")))
        return JWS_TYP_JWT;
    return str_eq_nocase(typ, STR("at+jwt")) ? JWS_TYP_AT_JWT : JWS_TYP_OTHER;
}

/* Absent is told apart from wrong: only a caller with one key can do without. */
static enum jwt_reason kid_read(const struct json *header, struct arena *arena, struct str *ret)
{
    const struct json *member = json_member(header, "kid");
    const struct str kid = json_string(member);

    if (!member)
        return JWT_OK;
    if (kid.len < 1 || kid.len > KID_BYTES_MAX)
        return JWT_KID;
    for (size_t i = 0; i < kid.len; i++) {
        if (kid.ptr[i] < 0x20 || kid.ptr[i] > 0x7e)
            return JWT_KID;
    }
    *ret = arena_copy(arena, kid);
    return ret->ptr ? JWT_OK : JWT_NO_MEMORY;
}

static enum jwt_reason header_read(const bool *algorithms, struct str text, struct arena *arena,
                                   struct jws *jws)
{
    AUTO_JSON struct json *header = NULL;
    struct json_error json_error;

    const enum err e = json_parse(text, &HEADER_LIMITS, &header, &json_error);
    if (e != ERR_OK)
        return e == ERR_NO_MEMORY ? JWT_NO_MEMORY : JWT_HEADER_JSON;
    if (json_type(header) != JSON_OBJECT)
        return JWT_HEADER_JSON;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED_MEMBERS); i++) {
        if (json_member(header, REFUSED_MEMBERS[i]))
            return JWT_HEADER_MEMBER;
    }

    /* An absent alg reads as empty text, which names no algorithm. */
    if (!jws_alg_parse(json_string(json_member(header, "alg")), &jws->alg) || !algorithms[jws->alg])
        return JWT_ALG;
    jws->typ = typ_read(header);
    return kid_read(header, arena, &jws->kid);
}

enum jwt_reason jws_parse(const bool *algorithms, size_t max_bytes, struct str token,
                          struct arena *arena, struct jws *ret)
{
    struct str parts[PART_COUNT] = {{NULL, 0}};
    struct str decoded[PART_COUNT] = {{NULL, 0}};
    const size_t part_bytes_max[PART_COUNT] = {HEADER_BYTES_MAX, base64_decoded_max(max_bytes),
                                               SIGNATURE_BYTES_MAX};

    *ret = (struct jws){.alg = JWS_ALG_COUNT};
    if (token.len == 0)
        return JWT_STRUCTURE;
    if (token.len > max_bytes)
        return JWT_TOO_LARGE;

    enum jwt_reason reason = split(token, parts);
    for (size_t i = 0; reason == JWT_OK && i < PART_COUNT; i++)
        reason = decode(parts[i], part_bytes_max[i], arena, &decoded[i]);
    if (reason != JWT_OK)
        return reason;

    ret->signing_input =
        (struct str){token.ptr, parts[PART_HEADER].len + 1 + parts[PART_PAYLOAD].len};
    ret->payload = decoded[PART_PAYLOAD];
    ret->signature = (const uint8_t *)decoded[PART_SIGNATURE].ptr;
    ret->signature_len = decoded[PART_SIGNATURE].len;
    return header_read(algorithms, decoded[PART_HEADER], arena, ret);
}
