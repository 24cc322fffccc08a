/* SPDX-License-Identifier: Apache-2.0
 * The watchdog of the service manager; see watchdog.h. */
#include "watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "notify.h"

/* Pulses and looks come four times a period, and a loop that has not turned for half of one is not
 * answered for: a machine that stands still for a moment is no reason to be ended. */
enum { LOOKS_A_PERIOD = 4 };

void watchdog_init(struct watchdog *w)
{
    *w = (struct watchdog){.period_ms = notify_watchdog_ms()};
}

int64_t watchdog_pulse_ms(const struct watchdog *w)
{
    const int64_t every_ms = w->period_ms / LOOKS_A_PERIOD;

    return w->period_ms > 0 && every_ms == 0 ? 1 : every_ms;
}

int64_t watchdog_wait_ms(const struct watchdog *w)
{
    if (w->period_ms == 0)
        return -1;
    const int64_t left_ms = w->next_ms - clock_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}

void watchdog_look(struct watchdog *w, const struct service *s)
{
    const int64_t now_ms = clock_mono_ms();

    if (w->period_ms == 0 || now_ms < w->next_ms)
        return;
    w->next_ms = now_ms + watchdog_pulse_ms(w);
    const bool turns = service_turns(s, now_ms, w->period_ms / 2);
    if (turns)
        notify("WATCHDOG=1");
    else if (!w->silent)
        LOG(LOG_ERROR, "watchdog.silent",
            "An event loop does not turn: the service manager is not answered and will end the "
            "process",
            LOG_I("bff.watchdog_ms", w->period_ms));
    w->silent = !turns;
}
