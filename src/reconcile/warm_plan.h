/* The stock of started agents: what is wished (WARM_POOL), and what to add or drop to come there.
 * Pure: no clock, engine, database.
 *
 * One member of an image is made at a time, and none while another one of it is in back-off; so an
 * image that cannot run costs one try each time its back-off is over, however many are wished.
 * Source: issue 5, item 7. */
#pragma once

#include "base/errors.h"
#include "store/runtime.h"

#define WARM_BUILTIN     "builtin" /* the server's own base image */
#define WARM_COUNT_MAX   1000
#define WARM_TARGETS_MAX 100

typedef struct {
    char *image; /* as configured */
    guint count;
    char *key;    /* "<image> <hash of all that its container is made from>"; NULL: not known yet */
    char *digest; /* the image's id now; NULL: not known */
} WarmTarget;

/* Reads "image:n,image:n"; an image may hold colons. NULL or blank wishes nothing. GPtrArray of
 * WarmTarget, owned. Error: ERROR_INVALID with a sentence that names the setting. */
GPtrArray *warm_targets_parse(const char *text, GError **error);
/* The image that a key was made for. Caller owns it. */
char *warm_key_image_dup(const char *key);

/* What is to be done. Ids and keys are borrowed from what it was made from. */
typedef struct {
    GPtrArray *drop; /* ids of members */
    GPtrArray *add;  /* keys of targets */
    guint ready;     /* members that can be handed over */
} WarmPlan;
void warm_plan_make(const GPtrArray *targets, const GPtrArray *rows, WarmPlan *plan);
void warm_plan_clear(WarmPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WarmPlan, warm_plan_clear)
