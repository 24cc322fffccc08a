/* SPDX-License-Identifier: Apache-2.0
 * The bytes of openapi/biometrics-bff.yaml, made into C at build time (embed.py). */
#pragma once

#include <stddef.h>

extern const unsigned char OPENAPI_YAML[];
extern const size_t OPENAPI_YAML_BYTES;
