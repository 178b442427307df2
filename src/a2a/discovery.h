/* Where is a colleague, who are my colleagues, may these two talk?
 *
 * All answers come from the org tree in memory. The credential (DISC) is the route's business.
 * Source: spec 04 section 8. Thread: any. */
#pragma once

#include "a2a/options.h"
#include "base/json_out.h"
#include "org/tree.h"

typedef enum {
    DISCOVERY_FOUND,
    DISCOVERY_NO_ADDRESS, /* known, but not reachable now: answer 503 with `status` */
    DISCOVERY_UNSAFE,     /* its stored URL is one we do not hand out: answer 503 with `status` */
} DiscoveryOutcome;

typedef struct {
    DiscoveryOutcome outcome;
    WorkspaceStatus status;
    char *url;  /* owned; NULL unless found */
    char *name; /* owned; may be "" */
} DiscoveryAnswer;
void discovery_answer_clear(DiscoveryAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DiscoveryAnswer, discovery_answer_clear)

/* Where `caller` finds `target` (both folded ids).
 * Errors: ERROR_FORBIDDEN (may not talk, unknown targets included), ERROR_NOT_FOUND (oneself, under
 * an unknown id). */
gboolean discovery_find(OrgTree *tree, const A2aOptions *options, const char *caller,
                        const char *target, DiscoveryAnswer *answer, GError **error);

/* Writes {"id","url","name"} of a found answer, or {"error","status"} of the others. */
void discovery_answer_write(const DiscoveryAnswer *answer, const char *target, GString *json);

/* Appends the JSON array of siblings, children and parent of `id`. `query` (NULL or "": all) keeps
 * those whose name or role contains it, whatever the case. Error: ERROR_NOT_FOUND (removed ones
 * have no place in the chart). */
gboolean discovery_peers(OrgTree *tree, const char *id, const char *query, GString *json,
                         GError **error);

typedef struct {
    char *caller_id, *target_id; /* as sent: an id that is none may simply not talk */
} AccessBody;
gboolean access_body_decode(const char *body, gsize length, AccessBody *out, GError **error);
void access_body_clear(AccessBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AccessBody, access_body_clear)

/* Same text: TRUE without a look; ids that are none: FALSE. */
gboolean discovery_may_talk(OrgTree *tree, const AccessBody *body);
