/* SPDX-License-Identifier: Apache-2.0
 * net/address_policy: a row an address, with what is said of it for any name and for a public name.
 */
#include "net/address_policy.h"

#include "unit.h"

static const struct {
    const char *text;
    const char *always;      /* NULL: an operator's own name may have it */
    const char *public_only; /* NULL: a public name may have it */
} ROWS[] = {
    {"203.0.113.7", NULL, NULL},
    {"8.8.8.8", NULL, NULL},
    {"2600:1f18::1", NULL, NULL},
    {"126.255.255.255", NULL, NULL},
    {"128.0.0.1", NULL, NULL},
    {"172.15.255.255", NULL, NULL},
    {"172.32.0.0", NULL, NULL},
    {"169.253.255.255", NULL, NULL},
    {"169.255.0.0", NULL, NULL},
    {"223.255.255.255", NULL, NULL},

    {"0.0.0.0", "unspecified", "unspecified"},
    {"0.1.2.3", "unspecified", "unspecified"},
    {"::", "unspecified", "unspecified"},
    {"169.254.0.1", "link-local", "link-local"},
    {"169.254.169.254", "link-local", "link-local"},
    {"169.254.255.255", "link-local", "link-local"},
    {"fe80::1", "link-local", "link-local"},
    {"febf::1", "link-local", "link-local"},
    {"100.100.100.200", "metadata service", "metadata service"},
    {"168.63.129.16", "metadata service", "metadata service"},
    {"fd00:ec2::254", "metadata service", "metadata service"},
    {"fd20:ce::254", "metadata service", "metadata service"},
    {"224.0.0.1", "multicast", "multicast"},
    {"239.255.255.255", "multicast", "multicast"},
    {"ff02::1", "multicast", "multicast"},
    {"255.255.255.255", "broadcast", "broadcast"},
    {"240.0.0.1", "reserved", "reserved"},

    {"127.0.0.1", NULL, "loopback"},
    {"127.255.255.255", NULL, "loopback"},
    {"::1", NULL, "loopback"},
    {"10.0.0.0", NULL, "private"},
    {"10.255.255.255", NULL, "private"},
    {"172.16.0.1", NULL, "private"},
    {"172.31.255.255", NULL, "private"},
    {"192.168.1.1", NULL, "private"},
    {"100.64.0.1", NULL, "private (carrier-grade NAT)"},
    {"fc00::1", NULL, "private"},
    {"fdff::1", NULL, "private"},
    {"fec0::1", NULL, "private (site-local)"},

    /* IPv4 in IPv6's clothes */
    {"::ffff:169.254.169.254", "link-local", "link-local"},
    {"::169.254.169.254", "link-local", "link-local"},
    {"::ffff:0:169.254.169.254", "link-local", "link-local"},
    {"64:ff9b::169.254.169.254", "link-local", "link-local"},
    {"64:ff9b:1::169.254.169.254", "link-local", "link-local"},
    {"64:ff9b:1:abcd::169.254.169.254", "link-local", "link-local"},
    {"2002:a9fe:a9fe::1", "link-local", "link-local"},
    {"64:ff9b::255.255.255.255", "broadcast", "broadcast"},
    {"::ffff:10.1.2.3", NULL, "private"},
    {"64:ff9b::10.1.2.3", NULL, "private"},
    {"64:ff9b::127.0.0.1", NULL, "loopback"},
    {"2002:7f00:1::", NULL, "loopback"},
    {"64:ff9b::203.0.113.7", NULL, NULL},
    {"2002:cb00:7107::1", NULL, NULL},
};

static void check(const char *text, bool public_only, const char *expected)
{
    struct ip ip;

    ck_assert_msg(ip_parse(str_of(text), &ip), "%s", text);
    const char *got = address_refusal(&ip, public_only);
    ck_assert_msg(expected ? got && strcmp(got, expected) == 0 : !got, "%s, public only %d: %s",
                  text, public_only, got ? got : "allowed");
}

START_TEST(each_row_is_judged)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        check(ROWS[i].text, false, ROWS[i].always);
        check(ROWS[i].text, true, ROWS[i].public_only);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    const struct ip unknown = {0};

    ck_assert_ptr_nonnull(address_refusal(&unknown, false));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("address_policy");
    tcase_add_test(tests, each_row_is_judged);
    tcase_add_test(tests, what_is_no_address_is_refused);
    return unit_run(tests, "address_policy");
}
