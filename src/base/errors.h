/* What can go wrong, said as what the caller can do about it.
 *
 * One GError domain for the whole program. Codes come in two kinds, apart by their order:
 *   outcomes  part of the contract; the message is the sentence a client will read
 *   faults    ours or the world's; the message is for the log, clients read a fixed text
 * Each border translates foreign errors once (store: SQLite and PostgreSQL, engine: HTTP and errno,
 * http/client: libcurl); above the border nobody knows them. Source: STYLE section 4. */
#pragma once

#include "base/reasons.h"

#include <glib.h>

typedef enum {
    /* Outcomes. */
    ERROR_INVALID, /* the request is wrong: the message names the field and what is allowed */
    ERROR_UNAUTHENTICATED, /* no credential, or one that is not valid */
    ERROR_OVER_BUDGET,     /* the workspace has spent its limit */
    ERROR_FORBIDDEN,       /* a valid credential that may not do this */
    ERROR_NOT_FOUND,
    ERROR_CONFLICT,   /* the state, or a unique key, forbids it now */
    ERROR_GONE,       /* it existed and was removed for good */
    ERROR_TOO_LARGE,  /* a body or document over its limit */
    ERROR_OVER_LIMIT, /* too many requests or rows for this caller */
    /* Faults. */
    ERROR_BUSY,            /* a queue or limit is full: try again later */
    ERROR_UNAVAILABLE,     /* database, bus or engine cannot be reached */
    ERROR_OUTCOME_UNKNOWN, /* sent, no answer: it may have happened; look before acting */
    ERROR_SUPERSEDED,      /* a newer generation won; never leaves the reconciler */
    ERROR_INTERNAL,        /* a broken invariant, or a foreign answer we cannot read */
} ErrorCode;

#define ERROR_DOMAIN (error_domain())
GQuark error_domain(void);

/* Sets a new error. Returns FALSE, so that it can be returned:
 *     return error_set(error, ERROR_NOT_FOUND, "workspace not found"); */
gboolean error_set(GError **error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The same, with why a workspace does not run because of it: for engines and what starts
 * workspaces. It travels with the error, whoever prefixes or passes it on. */
gboolean error_set_reason(GError **error, ErrorCode code, Reason reason, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* REASON_NONE when none was given, for NULL and for foreign errors. */
Reason error_reason(const GError *error);

/* Puts context in front of a fault ("seed 7c9e…: connection refused") on its way up; leaves an
 * outcome's sentence alone. `error` may be NULL. Returns FALSE, so that it can be returned. */
gboolean error_prefix(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether `error` is ours and carries `code`. NULL is no match. */
gboolean error_is(const GError *error, ErrorCode code);

/* Whether the message of this code may be shown to a client. */
gboolean error_is_outcome(ErrorCode code);

/* The code of an error of ours; ERROR_INTERNAL for a foreign one. */
ErrorCode error_code(const GError *error);

/* The code's name for logs, e.g. "unavailable". Borrowed, never NULL. */
const char *error_code_name(ErrorCode code);
