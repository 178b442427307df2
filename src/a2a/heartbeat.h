/* What a heartbeat's decision says to those who listen. Internal to a2a/. Pure. Source: spec 04
 * section 7.3. */
#pragma once

#include "a2a/registry.h"

/* Type of the event, NULL for none. Borrowed. */
const char *heartbeat_event_type(const HeartbeatDecision *decision);
/* Its payload. Caller owns it. */
char *heartbeat_event_payload_dup(const HeartbeatDecision *decision, const HeartbeatBody *body);
