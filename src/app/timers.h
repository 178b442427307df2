/* One thread that knows when periodic work is due and hands it to the workers; it does none itself.
 *
 * A job that is still running when its next turn comes is not started twice. Source: ARCHITECTURE
 * section 4. Thread: add jobs before timers_start. */
#pragma once

#include "http/server.h"

typedef struct _Timers Timers;

Timers *timers_new(HttpServer *server);
/* `name` is static and names the job's pulse (base/pulse.h). The first turn comes after one
 * interval.
 */
void timers_add(Timers *timers, const char *name, guint interval_ms, void (*work)(void *data),
                void *data);
void timers_start(Timers *timers);
/* No further turns; jobs that were handed out may still run in the workers. Repeatable. */
void timers_stop(Timers *timers);
void timers_free(Timers *timers); /* stops first; NULL is fine. The workers must have ended. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Timers, timers_free)
