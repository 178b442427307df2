/* What `doctor` finds out: about the server by asking it, about this machine by looking. */
#pragma once

#include "commands.h"
#include "report.h"

/* Asks the server: readiness, loops, every workspace's wish and reality, what is left over. */
void doctor_check_server(Session *session, Report *report);
/* Looks at this machine, for a server that runs on it. */
void doctor_check_local(Session *session, Report *report);
