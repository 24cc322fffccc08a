/* SPDX-License-Identifier: Apache-2.0
 * Built into libmicrohttpd's memorypool.c by tools/libmicrohttpd.sh, in the place of its memset(). The
 * pool zeroes all of a connection's memory between two requests; written as zero, a page that was
 * never used becomes memory that the process holds. This reads first and writes only where something
 * has to go: the result is the same, and the kernel's shared zero page stays in the place of the
 * pages that no request has needed. */
#pragma once

#include <string.h>

static void zero_out (void *memory, int zero, size_t bytes)
{
  static const unsigned char nothing[512];
  unsigned char *at = memory;

  while (bytes > 0)
  {
    const size_t n = bytes < sizeof (nothing) ? bytes : sizeof (nothing);
    if (0 != memcmp (at, nothing, n))
      memset (at, zero, n);
    at += n;
    bytes -= n;
  }
}
