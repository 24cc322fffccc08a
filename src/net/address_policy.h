/* SPDX-License-Identifier: Apache-2.0
 * Which addresses a name may have. What DNS says is not to be trusted: an answer that points at the
 * machine itself, at its network or at a cloud's metadata service would turn the service into a
 * way in. Addresses that are given as such are the operator's word and are not judged. */
#pragma once

#include "net/address.h"

/* NULL: it may be used; else a literal that says what it is ("link-local"). public_only: the name
 * is a public one of the vendor, so private and loopback addresses are refused, too. IPv6 forms
 * that carry an IPv4 address (mapped, compatible, translated, NAT64, 6to4) are judged by it. */
const char *address_refusal(const struct ip *ip, bool public_only);
