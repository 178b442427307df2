#include "failure.h"

G_DEFINE_QUARK(ctl - failure, ctl_failure)

gboolean ctl_fail(GError **error, CtlFailure code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_propagate_error(error, g_error_new_valist(CTL_FAILURE, (gint)code, format, arguments));
    va_end(arguments);
    return FALSE;
}

int ctl_failure_status(const GError *error)
{
    return error->domain == CTL_FAILURE ? error->code : CTL_REFUSED;
}
