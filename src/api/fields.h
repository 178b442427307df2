/* Decodes a JSON body into a struct by a constant table, so that all resources complain alike.
 *
 * Keys ignore case, of equal keys the last wins, null is absent, unknown keys are ignored (spec 01,
 * section 1). A required text must not be empty. A text that holds NUL is refused. The first faulty
 * field in the order of the table is named. Pure. */
#pragma once

#include "base/errors.h"
#include "base/json_view.h"

typedef enum {
    FIELD_TEXT,   /* char *, owned; NULL when absent or empty */
    FIELD_INT,    /* gint64; left alone when absent */
    FIELD_BOOL,   /* gboolean; left alone when absent */
    FIELD_ID,     /* char[ID_SIZE], folded; left alone when absent */
    FIELD_OBJECT, /* JsonView, borrowed from the body; left alone when absent */
    FIELD_ARRAY,  /* the same */
} FieldType;

typedef struct {
    const char *key;
    FieldType type;
    gsize offset;
    gboolean required;
} Field;

/* `out` is initialised by the caller (defaults stand); what was decoded before a fault stays in it
 * and is his to clear. Error: ERROR_INVALID. */
gboolean fields_decode(const char *body, gsize length, const Field *fields, guint count, void *out,
                       GError **error);
/* The same from an object that was parsed already. */
gboolean fields_read(JsonView object, const Field *fields, guint count, void *out, GError **error);
