/* What is remembered about each workspace's container between two looks: how often it died lately,
 * and since when its agent is silent. Memory only; after a restart of the server counting begins
 * anew, in favour of the agent. Thread: any. Source: spec 02, section 17.3 F. */
#pragma once

#include "base/ids.h"
#include "base/sync.h"

#define WATCH_CRASHES_MAX 5                                  /* so many deaths ... */
#define WATCH_WINDOW_US   (120 * G_GINT64_CONSTANT(1000000)) /* ... within 2 min: a crash loop */
#define WATCH_SILENT_US   (60 * G_GINT64_CONSTANT(1000000))  /* offline so long: hung */

typedef struct _Watch Watch;

Watch *watch_new(void);
void watch_free(Watch *watch); /* NULL is fine */

/* The container whose end would be a death; NULL: none, an end is what we asked for. */
void watch_expect(Watch *watch, const char *id, const char *container_id);
/* How a container ended, as the engine's events told it: while it is being restarted, an inspection
 * does not say any more. */
typedef struct {
    gboolean is_known;
    gint64 exit_code;
    gboolean out_of_memory;
} WatchEnd;

/* The engine told of an end. TRUE when it is a death, which is counted. */
gboolean watch_note_death(Watch *watch, const char *id, const char *container_id, gint64 exit_code);
/* The engine told that memory ran out in the container; its end may follow. */
void watch_note_out_of_memory(Watch *watch, const char *id, const char *container_id);
/* Of `container_id`'s last death; not known when the engine told of none. */
WatchEnd watch_last_end(Watch *watch, const char *id, const char *container_id);
/* A look found it dead; counts unless the engine told of it already. */
void watch_note_found_dead(Watch *watch, const char *id, const char *container_id);
gboolean watch_is_crash_loop(Watch *watch, const char *id);
/* Says whether the agent is offline while its container runs. Gives the monotonic time since when,
 * 0 when not. */
gint64 watch_note_silent(Watch *watch, const char *id, gboolean is_silent);
/* A look ended because engine or database did not answer; FALSE ends the row of them. Gives how
 * many there were in a row. */
guint watch_note_away(Watch *watch, const char *id, gboolean is_away);
/* The wish that a look found. Of another one nothing counts, also when another server carried it
 * out: what it stopped looked like a death from here. */
void watch_note_generation(Watch *watch, const char *id, gint64 generation);
/* A new wish, or the end: nothing of the past counts. */
void watch_forget(Watch *watch, const char *id);
