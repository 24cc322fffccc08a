/* SPDX-License-Identifier: Apache-2.0
 * net/address: textual addresses (good, odd, refused), CIDR parsing and matching at bit borders,
 * the client behind proxies (spoofed left part, all trusted, malformed), listen addresses,
 * listening sockets. */
#include "net/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/memory_fit.h"
#include "unit.h"

static struct ip ip(const char *text)
{
    struct ip out = {0};
    ck_assert_msg(ip_parse(str_of(text), &out), "%s", text);
    return out;
}

START_TEST(addresses_round_trip_in_one_form)
{
    static const struct {
        const char *in, *out;
    } CASES[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:DB8::0001", "2001:db8::1"},
        {"::", "::"},
        {"0.0.0.0", "0.0.0.0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[IP_TEXT_BYTES];
        const struct ip value = ip(CASES[i].in);
        ip_format(&value, text);
        ck_assert_str_eq(text, CASES[i].out);
    }
    char text[IP_TEXT_BYTES];
    ip_format(&(struct ip){0}, text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(text_that_is_no_plain_address_is_refused)
{
    static const char *const BAD[] = {
        "",         "1.2.3",      "1.2.3.4.5", "01.2.3.4",        "1.2.3.256",  "1.2.3.4:80",
        "[::1]",    "fe80::1%lo", " 1.2.3.4",  "1.2.3.4 ",        "0x7f.0.0.1", "127.1",
        ":::",      "1.2.3.4/8",  "localhost", "unknown",         "1.2.3.-4",   "::1::",
        "12345::1", "_hidden",    "1,2",       "::ffff:1.2.3.4:", "1.2.3.4\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct ip out;
        ck_assert_msg(!ip_parse(str_of(BAD[i]), &out), "%s", BAD[i]);
    }
    struct ip out;
    ck_assert(!ip_parse((struct str){"1.2.3.4\0x", 9}, &out));
    ck_assert(!ip_parse((struct str){NULL, 0}, &out));
}
END_TEST

static struct cidr_list list(const char *text)
{
    struct cidr_list out = {0};
    struct err_text err = {0};
    ck_assert_msg(cidr_list_parse(str_of(text), &out, &err) == ERR_OK, "%s: %s", text, err.text);
    return out;
}

START_TEST(networks_match_at_their_borders)
{
    static const struct {
        const char *networks, *address;
        bool has;
    } CASES[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.9", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {" 10.0.0.0/8 ,\t172.16.0.0/12", "172.31.0.1", true},
        {"", "10.0.0.1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct cidr_list networks = list(CASES[i].networks);
        const struct ip address = ip(CASES[i].address);
        ck_assert_msg(cidr_list_has(&networks, &address) == CASES[i].has, "%s in %s",
                      CASES[i].address, CASES[i].networks);
        cidr_list_finish(&networks);
    }
    struct cidr_list all = list("::/0");
    ck_assert(!cidr_list_has(&all, &(struct ip){0})); /* unknown is in no network */
    cidr_list_finish(&all);
}
END_TEST

START_TEST(a_bad_network_is_named)
{
    static const char *const BAD[] = {"10.0.0.1/8",  "10.0.0.0/33", "10.0.0.0/",  "10.0.0.0/-1",
                                      "10.0.0.0/08", ",",           "::/129",     "2001:db8::1/64",
                                      "proxy",       "10.0.0.0/8,", "1.2.3.4/ 8", "::ffff:0:0/95"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct cidr_list out = {0};
        struct err_text err = {0};
        ck_assert_msg(cidr_list_parse(str_of(BAD[i]), &out, &err) != ERR_OK, "%s", BAD[i]);
        ck_assert_str_ne(err.text, "");
        ck_assert_ptr_null(out.rows);
    }
}
END_TEST

START_TEST(the_client_is_the_first_untrusted_address_from_the_right)
{
    static const struct {
        const char *peer, *forwarded, *client;
    } CASES[] = {
        {"10.0.0.1", "203.0.113.9", "203.0.113.9"},
        {"10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"},            /* left part is the app's */
        {"10.0.0.1", "6.6.6.6, 203.0.113.9 , 10.0.0.2", "203.0.113.9"}, /* two proxies */
        {"10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"},                  /* all trusted: leftmost */
        {"10.0.0.1", "garbage, 203.0.113.9", "203.0.113.9"},            /* never reached */
        {"10.0.0.1", "203.0.113.9, garbage", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.9,", "10.0.0.1"},
        {"10.0.0.1", "203.0.113.9:4711", "10.0.0.1"},
        {"10.0.0.1", "2001:db8::7", "2001:db8::7"},
        {"10.0.0.1", "", "10.0.0.1"},
        {"192.0.2.1", "203.0.113.9", "192.0.2.1"}, /* peer is no proxy */
        {"::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"},
    };
    struct cidr_list trusted = list("10.0.0.0/8");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[IP_TEXT_BYTES];
        const struct ip got =
            client_address(&trusted, ip(CASES[i].peer), str_of(CASES[i].forwarded));
        ip_format(&got, text);
        ck_assert_msg(strcmp(text, CASES[i].client) == 0, "%s via %s: %s", CASES[i].forwarded,
                      CASES[i].peer, text);
    }
    const struct ip peer = ip("10.0.0.1");
    const struct ip same = client_address(NULL, peer, STR("203.0.113.9"));
    ck_assert_mem_eq(same.bytes, peer.bytes, sizeof(peer.bytes));
    cidr_list_finish(&trusted);
}
END_TEST

START_TEST(listen_addresses_are_parsed_strictly)
{
    static const char *const GOOD[] = {"127.0.0.1:0", "0.0.0.0:8080", "[::1]:9464", "[::]:65535",
                                       "localhost:0"};
    static const char *const BAD[] = {
        "",           "8080",         ":8080",          "127.0.0.1",
        "127.0.0.1:", "::1:80",       "[127.0.0.1]:80", "127.0.0.1:65536",
        "host:80",    "[::1]",        "127.0.0.1:+80",  "127.0.0.1:080",
        "[]:80",      "127.0.0.1:80 "};
    struct listen_address at;
    struct err_text err = {0};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        ck_assert_msg(listen_address_parse(str_of(GOOD[i]), &at, &err) == ERR_OK, "%s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        err = (struct err_text){0};
        ck_assert_msg(listen_address_parse(str_of(BAD[i]), &at, &err) != ERR_OK, "%s", BAD[i]);
        ck_assert_str_ne(err.text, "");
    }
}
END_TEST

START_TEST(port_zero_gives_a_real_port_and_a_taken_port_an_error)
{
    struct listen_address at;
    struct err_text err = {0};
    int fd = -1;
    uint16_t port = 0;
    ck_assert(listen_address_parse(STR("127.0.0.1:0"), &at, &err) == ERR_OK);
    ck_assert_msg(listen_open(&at, &fd, &port, &err) == ERR_OK, "%s", err.text);
    ck_assert_uint_ne(port, 0);
    char text[32];
    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    int second = -1;
    uint16_t second_port;
    ck_assert(listen_address_parse(str_of(text), &at, &err) == ERR_OK);
    ck_assert(listen_open(&at, &second, &second_port, &err) != ERR_OK);
    ck_assert_int_eq(second, -1);
    close(fd);
}
END_TEST

/* What the kernel may keep for a client that reads nothing, or sends while nobody reads. */
static int open_listener(const char *address, uint16_t *ret_port)
{
    struct listen_address at;
    struct err_text err;
    int fd = -1;

    ck_assert(listen_address_parse(str_of(address), &at, &err) == ERR_OK);
    ck_assert_msg(listen_open(&at, &fd, ret_port, &err) == ERR_OK, "%s", err.text);
    return fd;
}

/* A client of that port, or -1 and errno. */
static int connect_to(const char *host, uint16_t port)
{
    struct listen_address to;
    struct err_text err;
    char text[64];

    (void)snprintf(text, sizeof(text), "%s:%u", host, (unsigned)port);
    ck_assert(listen_address_parse(str_of(text), &to, &err) == ERR_OK);
    const int fd = socket(to.sa.ss_family, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&to.sa, to.sa_len) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

START_TEST(accepted_sockets_have_small_buffers)
{
    enum { KERNEL_BYTES_MAX = 2 * CLIENT_SOCKET_BUFFER_BYTES };
    uint16_t port = 0;
    const int listener = open_listener("127.0.0.1:0", &port);
    const int client = connect_to("127.0.0.1", port);
    ck_assert_int_ge(client, 0);
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    static const int sides[] = {SO_SNDBUF, SO_RCVBUF};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        int bytes = 0;
        socklen_t len = sizeof(bytes);
        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, sides[i], &bytes, &len), 0);
        ck_assert_int_gt(bytes, 0);
        ck_assert_int_le(bytes, KERNEL_BYTES_MAX);
    }
    close(fd);
    close(client);
    close(listener);
}
END_TEST

/* The next connection of the listener brings what its client sends. */
static void ck_assert_served(int listener, int client)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    char got[8] = "";

    ck_assert_int_eq(write(client, "hello", 5), 5);
    ck_assert_int_eq(poll(&ready, 1, 5000), 1);
    const int accepted = accept(listener, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(read(accepted, got, sizeof(got)), 5);
    close(accepted);
    close(client);
}

static void ck_assert_door_shuts(const char *address, const char *host)
{
    const int wait_for_data_s = 5;
    uint16_t port = 0;
    const int listener = open_listener(address, &port);

    const int waiting = connect_to(host, port);
    ck_assert_int_ge(waiting, 0);
    /* The kernel leaves the handshake of this one unfinished until it sends something. */
    ck_assert_int_eq(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &wait_for_data_s,
                                sizeof(wait_for_data_s)),
                     0);
    const int halfway = connect_to(host, port);
    ck_assert_int_ge(halfway, 0);

    ck_assert(listen_shut_door(listener));
    ck_assert_int_eq(connect_to(host, port), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_served(listener, waiting);
    ck_assert_int_eq(accept(listener, NULL, NULL), -1);
    ck_assert_served(listener, halfway);
    close(listener);
}

/* As a container's user, who may not do what root may. */
START_TEST(a_shut_door_refuses_who_comes_and_keeps_who_waits)
{
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
    ck_assert_door_shuts("127.0.0.1:0", "127.0.0.1");
    const int probe = connect_to("[::1]", 1);
    if (probe < 0 && errno != ECONNREFUSED)
        return; /* a machine without IPv6 */
    if (probe >= 0)
        close(probe);
    ck_assert_door_shuts("[::1]:0", "[::1]");
    ck_assert_door_shuts("[::]:0", "[::1]");
    ck_assert_door_shuts("[::]:0", "127.0.0.1");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("address");
    tcase_add_test(tc, addresses_round_trip_in_one_form);
    tcase_add_test(tc, text_that_is_no_plain_address_is_refused);
    tcase_add_test(tc, networks_match_at_their_borders);
    tcase_add_test(tc, a_bad_network_is_named);
    tcase_add_test(tc, the_client_is_the_first_untrusted_address_from_the_right);
    tcase_add_test(tc, listen_addresses_are_parsed_strictly);
    tcase_add_test(tc, port_zero_gives_a_real_port_and_a_taken_port_an_error);
    tcase_add_test(tc, accepted_sockets_have_small_buffers);
    tcase_add_test(tc, a_shut_door_refuses_who_comes_and_keeps_who_waits);
    return unit_run(tc, "address");
}
