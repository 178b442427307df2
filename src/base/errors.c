#include "base/errors.h"

#include <pthread.h>

static const char *const code_names[] = {
    [ERROR_INVALID] = "invalid",
    [ERROR_UNAUTHENTICATED] = "unauthenticated",
    [ERROR_OVER_BUDGET] = "over_budget",
    [ERROR_FORBIDDEN] = "forbidden",
    [ERROR_NOT_FOUND] = "not_found",
    [ERROR_CONFLICT] = "conflict",
    [ERROR_GONE] = "gone",
    [ERROR_TOO_LARGE] = "too_large",
    [ERROR_OVER_LIMIT] = "over_limit",
    [ERROR_BUSY] = "busy",
    [ERROR_UNAVAILABLE] = "unavailable",
    [ERROR_OUTCOME_UNKNOWN] = "outcome_unknown",
    [ERROR_SUPERSEDED] = "superseded",
    [ERROR_INTERNAL] = "internal",
};

/* What an error of ours carries beside its code and message. */
typedef struct {
    Reason reason;
} OwnErrorPrivate;

static void own_error_private_init(OwnErrorPrivate *own)
{
    own->reason = REASON_NONE;
}

static void own_error_private_copy(const OwnErrorPrivate *from, OwnErrorPrivate *to)
{
    *to = *from;
}

static void own_error_private_clear(OwnErrorPrivate *own)
{
    (void)own;
}

GQuark own_error_quark(void); /* made by the macro, for this file only */
G_DEFINE_EXTENDED_ERROR(OwnError, own_error)

static GQuark domain; /* written once */

static void register_domain(void)
{
    domain = own_error_quark();
}

/* By pthread: ThreadSanitizer cannot see into GLib's own way. */
GQuark error_domain(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_domain);
    return domain;
}

gboolean error_set(GError **error, ErrorCode code, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return FALSE;
    va_start(arguments, format);
    *error = g_error_new_valist(ERROR_DOMAIN, (gint)code, format, arguments);
    va_end(arguments);
    return FALSE;
}

gboolean error_set_reason(GError **error, ErrorCode code, Reason reason, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return FALSE;
    va_start(arguments, format);
    *error = g_error_new_valist(ERROR_DOMAIN, (gint)code, format, arguments);
    va_end(arguments);
    own_error_get_private(*error)->reason = reason;
    return FALSE;
}

Reason error_reason(const GError *error)
{
    return error && error->domain == ERROR_DOMAIN ? own_error_get_private(error)->reason
                                                  : REASON_NONE;
}

gboolean error_prefix(GError **error, const char *format, ...)
{
    g_autofree char *prefix = NULL;
    g_autofree char *message = NULL;
    va_list arguments;

    if (!error || !*error || error_is_outcome(error_code(*error)))
        return FALSE;
    va_start(arguments, format);
    prefix = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    message = g_strconcat(prefix, ": ", (*error)->message, NULL);
    g_free((*error)->message);
    (*error)->message = g_steal_pointer(&message);
    return FALSE;
}

gboolean error_is(const GError *error, ErrorCode code)
{
    return g_error_matches(error, ERROR_DOMAIN, (gint)code);
}

gboolean error_is_outcome(ErrorCode code)
{
    return code < ERROR_BUSY;
}

ErrorCode error_code(const GError *error)
{
    if (!error || error->domain != ERROR_DOMAIN)
        return ERROR_INTERNAL;
    return (ErrorCode)error->code;
}

const char *error_code_name(ErrorCode code)
{
    return code < G_N_ELEMENTS(code_names) ? code_names[code] : "internal";
}
