/* Where messages wait for a workspace that wakes up.
 *
 * An entry is whatever the owner parks. It leaves with the next event that decides something about
 * its workspace (online, failed, paused, hibernated, removed), when its time is over, when its
 * client has gone, or at the end; `release` then takes it over. One thread serves all; none waits
 * for a single entry. Private to src/a2a. Thread: any. Source: spec 01 section 9.6 ("Ours"). */
#pragma once

#include "events/events.h"

typedef struct _Parking Parking;

typedef enum {
    PARKING_DECIDED, /* look at the workspace again */
    PARKING_EXPIRED,
    PARKING_LEFT,
    PARKING_STOPPED,
} ParkingEnd;

typedef struct {
    guint capacity; /* entries at once */
    /* Has the client of this entry gone? Quick. Runs in the parking's thread. */
    gboolean (*has_left)(const void *entry);
    /* Takes the entry over; must not wait. Runs in the parking's thread, without a lock. */
    void (*release)(void *entry, ParkingEnd end, void *data);
    void *data;
} ParkingOptions;

/* Listens (before the threads that emit start) and starts the thread. */
Parking *parking_new(const ParkingOptions *options, Events *events);
/* Releases all and joins the thread. Repeatable. */
void parking_stop(Parking *parking);
void parking_free(Parking *parking); /* stops first; after the last event; NULL is fine */

/* Parks an entry until `until_us` (monotonic). FALSE: full, or stopped; the entry stays the
 * caller's. */
gboolean parking_enter(Parking *parking, const char *workspace_id, void *entry, gint64 until_us);
/* As an event that decides does it. */
void parking_decide(Parking *parking, const char *workspace_id);
/* Whether somebody waits for this workspace. */
gboolean parking_has(Parking *parking, const char *workspace_id);
guint parking_count(Parking *parking);
