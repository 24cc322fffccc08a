/* SPDX-License-Identifier: Apache-2.0
 * The ranges of IANA's special-purpose registries that concern us, and the IPv6 forms in which an
 * IPv4 address can hide. */
#include "net/address_policy.h"

struct range {
    uint8_t prefix[16]; /* IPv4 as mapped IPv6, like struct ip */
    unsigned bits;      /* of 128 */
    const char *what;
};

#define V4(a, b, c, d, v4_bits, name)                                                              \
    {                                                                                              \
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d)}, 96 + (v4_bits), (name)     \
    }

static const struct range NEVER[] = {
    V4(0, 0, 0, 0, 8, "unspecified"),
    V4(169, 254, 0, 0, 16, "link-local"), /* with the metadata service of most clouds */
    V4(100, 100, 100, 200, 32, "metadata service"),
    V4(168, 63, 129, 16, 32, "metadata service"),
    V4(224, 0, 0, 0, 4, "multicast"),
    V4(255, 255, 255, 255, 32, "broadcast"),
    V4(240, 0, 0, 0, 4, "reserved"),
    {{0}, 128, "unspecified"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xff}, 8, "multicast"},
    {{0xfd, 0x00, 0x0e, 0xc2, [15] = 0x54, [14] = 0x02}, 128, "metadata service"},
    {{0xfd, 0x20, 0x00, 0xce, [15] = 0x54, [14] = 0x02}, 128, "metadata service"},
};

static const struct range PRIVATE[] = {
    V4(127, 0, 0, 0, 8, "loopback"),
    V4(10, 0, 0, 0, 8, "private"),
    V4(172, 16, 0, 0, 12, "private"),
    V4(192, 168, 0, 0, 16, "private"),
    V4(100, 64, 0, 0, 10, "private (carrier-grade NAT)"),
    V4(198, 18, 0, 0, 15, "private (benchmarks)"),
    V4(192, 0, 0, 0, 24, "private (protocol assignments)"),
    {{[15] = 1}, 128, "loopback"},
    {{0xfc}, 7, "private"},
    {{0xfe, 0xc0}, 10, "private (site-local)"},
};

/* Prefixes behind which the last four octets are an IPv4 address. */
static const struct range CARRIERS_AT_END[] = {
    {{0}, 96, "IPv4-compatible"},
    {{[8] = 0xff, [9] = 0xff}, 96, "IPv4-translated"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64"},
    /* Of this /48 a network chooses its own prefix; /96 is what translators use. */
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "local NAT64"},
};
static const struct range SIX_TO_FOUR = {{0x20, 0x02}, 16, "6to4"};
enum { SIX_TO_FOUR_AT = 2 };

static bool is_in(const struct ip *ip, const struct range *range)
{
    const unsigned whole = range->bits / 8;
    const unsigned rest = range->bits % 8;
    const uint8_t mask = (uint8_t)(0xff00U >> rest);

    return memcmp(ip->bytes, range->prefix, whole) == 0 &&
           (rest == 0 || (ip->bytes[whole] & mask) == (range->prefix[whole] & mask));
}

static const char *find(const struct ip *ip, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_in(ip, &ranges[i]))
            return ranges[i].what;
    }
    return NULL;
}

static const char *judge(const struct ip *ip, bool public_only)
{
    const char *what = find(ip, NEVER, ARRAY_LEN(NEVER));

    if (!what && public_only)
        what = find(ip, PRIVATE, ARRAY_LEN(PRIVATE));
    return what;
}

static struct ip embedded(const struct ip *ip, size_t at)
{
    struct ip v4 = {.bytes = {[10] = 0xff, [11] = 0xff}, .known = true};

    memcpy(v4.bytes + 12, ip->bytes + at, 4);
    return v4;
}

const char *address_refusal(const struct ip *ip, bool public_only)
{
    static const struct ip LOOPBACK = {.bytes = {[15] = 1}};

    if (!ip->known)
        return "not an IP address";
    const char *what = judge(ip, public_only);
    if (what || memcmp(ip->bytes, LOOPBACK.bytes, sizeof(LOOPBACK.bytes)) == 0)
        return what;
    if (find(ip, CARRIERS_AT_END, ARRAY_LEN(CARRIERS_AT_END))) {
        const struct ip v4 = embedded(ip, 12);
        what = judge(&v4, public_only);
    } else if (is_in(ip, &SIX_TO_FOUR)) {
        const struct ip v4 = embedded(ip, SIX_TO_FOUR_AT);
        what = judge(&v4, public_only);
    }
    return what;
}
