/* `doctor`: what differs between wish and reality, why, and what to do about it. */
#include "doctor.h"

#define STATUS_DIFFERENCES 1
#define STATUS_CANNOT_ASK  2

gboolean doctor_run(Session *session, GError **error)
{
    g_auto(Report) report = {0};

    (void)error;
    report_init(&report);
    doctor_check_server(session, &report);
    doctor_check_local(session, &report);
    if (session->wants_json)
        report_print_json(&report, session->target->url);
    else
        report_print(&report);
    if (report.server_fault)
        session->status = STATUS_CANNOT_ASK;
    else if (report_count(&report, FINDING_DIFFERENCE))
        session->status = STATUS_DIFFERENCES;
    return TRUE;
}
