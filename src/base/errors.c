#include "base/errors.h"

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

GQuark error_domain(void)
{
    return g_quark_from_static_string("workspaced-error");
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
