/* One call to the platform that hosts our machines. Private to engine/control_plane.
 *
 * Every call has a total time, an answer has a size; nothing is followed, no proxy variable counts.
 * The two credentials are headers; an empty one is left out. What a body says is never repeated in
 * a log or an error: it may echo credentials. Source: spec 02, section 11. Thread: any. */
#pragma once

#include "base/errors.h"

#include <stdatomic.h>

typedef struct {
    char *base_url;                                      /* without a slash at its end */
    char *shared_secret, *admin_token, *admin_api_token; /* NULL: none */
    atomic_bool is_interrupted;
} ControlPlaneLine;

/* Copies the texts. Error: ERROR_INVALID: no http(s) URL, or a credential that no header can carry.
 */
G_GNUC_WARN_UNUSED_RESULT gboolean
control_plane_line_init(ControlPlaneLine *line, const char *base_url, const char *shared_secret,
                        const char *admin_token, const char *admin_api_token, GError **error);
void control_plane_line_clear(ControlPlaneLine *line);

typedef struct {
    const char *method, *path; /* the path with its query, escaped */
    const char *body;          /* JSON; NULL: none */
    const char *idempotency_key;
    gboolean is_admin; /* the administrators' interface */
    gboolean has_effect;
    guint timeout_ms;
    gsize max_bytes; /* of the answer; the rest is not read */
} ControlPlaneCall;

typedef struct {
    guint status;
    GString *body; /* owned */
} ControlPlaneAnswer;
void control_plane_answer_clear(ControlPlaneAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ControlPlaneAnswer, control_plane_answer_clear)

/* TRUE: there is an answer, whatever its status. Errors: ERROR_OUTCOME_UNKNOWN when the request
 * left and has an effect; ERROR_UNAVAILABLE. */
G_GNUC_WARN_UNUSED_RESULT gboolean control_plane_call(ControlPlaneLine *line,
                                                      const ControlPlaneCall *call,
                                                      ControlPlaneAnswer *answer, GError **error);
/* Whether a connection can be made; nothing is asked. ERROR_UNAVAILABLE. */
G_GNUC_WARN_UNUSED_RESULT gboolean control_plane_connect(ControlPlaneLine *line, guint timeout_ms,
                                                         GError **error);
