/* SPDX-License-Identifier: Apache-2.0
 * The control API under /_emulator/: for tests and demos, never part of the vendor's API. */
#pragma once

#include "emulator/emulator.h"
#include "emulator/fields.h"

/* False: the path is none of the control API's. */
NODISCARD bool control_handle(struct call *call);

/* Handlers of control_world.c: what exists in the emulated tenant. */
extern const struct field MAKE_USER_FIELDS[];
extern const struct field SET_USER_FIELDS[];
extern const struct field LOGIN_FIELDS[];
extern const struct field CLOCK_FIELDS[];
extern const struct field SETTINGS_FIELDS[];
void control_make_user(struct call *call);
void control_get_user(struct call *call);
void control_set_user(struct call *call);
void control_login(struct call *call);
void control_clock(struct call *call);
void control_settings(struct call *call);

/* What follows the route's path: the {id} of /_emulator/users/{id}, decoded. */
struct str control_path_tail(struct call *call);
void control_refuse(struct call *call, int status, const char *problem);
