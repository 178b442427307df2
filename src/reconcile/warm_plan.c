#include "reconcile/warm_plan.h"

#include "base/text.h"

#include <string.h>

#define SETTING "WARM_POOL"

static void target_free(gpointer data)
{
    WarmTarget *target = data;

    g_free(target->image);
    g_free(target->key);
    g_free(target->digest);
    g_free(target);
}

/* ---- The wish ---- */

static gboolean is_image(const char *image)
{
    for (const char *at = image; *at; at++)
        if (!g_ascii_isgraph(*at))
            return FALSE;
    return *image != '\0';
}

static gboolean has_target(const GPtrArray *targets, const char *image)
{
    for (guint i = 0; i < targets->len; i++)
        if (strcmp(((WarmTarget *)targets->pdata[i])->image, image) == 0)
            return TRUE;
    return FALSE;
}

/* The last colon splits: an image may carry a port and a tag. */
static gboolean add_target(GPtrArray *targets, const char *text, GError **error)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *image = colon ? g_strndup(text, (gsize)(colon - text)) : NULL;
    gint64 count = 0;
    WarmTarget *target = NULL;

    if (!image || !is_image(image) || !text_parse_int(colon + 1, 0, WARM_COUNT_MAX, &count))
        return error_set(error, ERROR_INVALID,
                         SETTING " must be image:n, n from 0 to %d, separated by commas",
                         WARM_COUNT_MAX);
    if (has_target(targets, image))
        return error_set(error, ERROR_INVALID, SETTING " names the image \"%s\" twice", image);
    if (targets->len == WARM_TARGETS_MAX)
        return error_set(error, ERROR_INVALID, SETTING " may name at most %d images",
                         WARM_TARGETS_MAX);
    target = g_new0(WarmTarget, 1);
    target->image = g_steal_pointer(&image);
    target->count = (guint)count;
    g_ptr_array_add(targets, target);
    return TRUE;
}

GPtrArray *warm_targets_parse(const char *text, GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(target_free);
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);

    for (char **part = parts; *part; part++)
        if (*g_strstrip(*part) && !add_target(targets, *part, error))
            return NULL;
    return g_steal_pointer(&targets);
}

char *warm_key_image_dup(const char *key)
{
    const char *blank = strrchr(key, ' ');

    return blank ? g_strndup(key, (gsize)(blank - key)) : g_strdup(key);
}

/* ---- The difference ---- */

typedef enum { MEMBER_READY, MEMBER_COMING, MEMBER_TROUBLED, MEMBER_STATES } MemberState;

static MemberState state_of(const RuntimeRow *row)
{
    if (row->phase == RUNTIME_STARTED || row->phase == RUNTIME_READY)
        return MEMBER_READY;
    return row->phase == RUNTIME_BACKOFF || row->phase == RUNTIME_FAILED ? MEMBER_TROUBLED
                                                                         : MEMBER_COMING;
}

/* Made from what it would be made from now. */
static gboolean fits(const WarmTarget *target, const RuntimeRow *row)
{
    return g_strcmp0(target->key, row->warm_key) == 0 &&
           (!target->digest || !row->image_digest ||
            strcmp(target->digest, row->image_digest) == 0);
}

static gboolean is_wanted(const GPtrArray *targets, const RuntimeRow *row)
{
    for (guint i = 0; i < targets->len; i++)
        if (fits(targets->pdata[i], row))
            return TRUE;
    return FALSE;
}

/* Of several in trouble one goes on trying: the one whose turn comes last. */
static const RuntimeRow *last_troubled(const WarmTarget *target, const GPtrArray *rows)
{
    const RuntimeRow *last = NULL;

    for (guint i = 0; i < rows->len; i++) {
        const RuntimeRow *row = rows->pdata[i];

        if (fits(target, row) && state_of(row) == MEMBER_TROUBLED &&
            (!last || row->next_attempt_at_us > last->next_attempt_at_us))
            last = row;
    }
    return last;
}

static void plan_target(const WarmTarget *target, const GPtrArray *rows, WarmPlan *plan)
{
    const RuntimeRow *troubled = last_troubled(target, rows);
    guint counts[MEMBER_STATES] = {0}, kept = 0;

    /* The best come first, so a surplus is taken from the worst. */
    for (MemberState state = MEMBER_READY; state < MEMBER_STATES; state++)
        for (guint i = 0; i < rows->len; i++) {
            const RuntimeRow *row = rows->pdata[i];

            if (!fits(target, row) || state_of(row) != state)
                continue;
            if (kept == target->count || (state == MEMBER_TROUBLED && row != troubled)) {
                g_ptr_array_add(plan->drop, (gpointer)row->workspace_id);
                continue;
            }
            kept++;
            counts[state]++;
        }
    plan->ready += counts[MEMBER_READY];
    if (kept < target->count && counts[MEMBER_COMING] == 0 && counts[MEMBER_TROUBLED] == 0)
        g_ptr_array_add(plan->add, target->key);
}

void warm_plan_make(const GPtrArray *targets, const GPtrArray *rows, WarmPlan *plan)
{
    *plan = (WarmPlan){.drop = g_ptr_array_new(), .add = g_ptr_array_new()};
    for (guint i = 0; i < rows->len; i++)
        if (!is_wanted(targets, rows->pdata[i]))
            g_ptr_array_add(plan->drop, ((RuntimeRow *)rows->pdata[i])->workspace_id);
    for (guint i = 0; i < targets->len; i++)
        plan_target(targets->pdata[i], rows, plan);
}

void warm_plan_clear(WarmPlan *plan)
{
    g_clear_pointer(&plan->drop, g_ptr_array_unref);
    g_clear_pointer(&plan->add, g_ptr_array_unref);
}
