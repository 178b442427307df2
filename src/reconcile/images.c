#include "reconcile/images.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/text.h"
#include "store/runtime.h"

#include <string.h>

#define PROGRESS_EVENT    "WORKSPACE_PULL_PROGRESS"
#define PROGRESS_US       (CLOCK_SECOND_US / 2) /* issue 5: at most twice a second */
#define PROGRESS_TEXT_MAX 200                   /* bytes */
#define TURN_WAIT_US      (CLOCK_SECOND_US / 5) /* a cancel wakes nobody who waits for his turn */
#define PROGRESS_BEGIN    "pulling"

typedef struct {
    const char *image; /* borrowed from the caller, who waits */
    char id[ID_SIZE];  /* "": a refresh, for no workspace */
    gint64 generation;
    gint64 deadline_us; /* monotonic; 0: the engine's own */
    gboolean is_pulling, is_quiet;
    gint64 told_us; /* monotonic; of the last event about its progress */
    Cancel *cancel;
} Request;

struct _Images {
    Engine *engine;
    Db *db;
    Events *events; /* may be NULL */
    Mutex lock;     /* guards what follows */
    Condition ended;
    GPtrArray *requests; /* Request, borrowed from the waiting threads' stacks */
    gboolean is_stopping;
};

Images *images_new(Engine *engine, Db *db, Events *events)
{
    Images *images = g_new0(Images, 1);

    images->engine = engine;
    images->db = db;
    images->events = events;
    mutex_init(&images->lock);
    condition_init(&images->ended);
    images->requests = g_ptr_array_new();
    return images;
}

void images_free(Images *images)
{
    if (!images)
        return;
    g_ptr_array_unref(images->requests);
    condition_clear(&images->ended);
    mutex_clear(&images->lock);
    g_free(images);
}

static gboolean is_pulled_by_other_locked(const Images *images, const Request *own)
{
    for (guint i = 0; i < images->requests->len; i++) {
        const Request *request = images->requests->pdata[i];

        if (request != own && request->is_pulling && strcmp(request->image, own->image) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Waits for its turn. FALSE: not wanted any more. */
static gboolean enter(Images *images, Request *request)
{
    mutex_lock(&images->lock);
    g_ptr_array_add(images->requests, request);
    if (images->is_stopping)
        cancel_fire(request->cancel);
    while (!cancel_fired(request->cancel) && is_pulled_by_other_locked(images, request))
        condition_wait_until(&images->ended, &images->lock, clock_monotonic_us() + TURN_WAIT_US);
    request->is_pulling = !cancel_fired(request->cancel);
    mutex_unlock(&images->lock);
    return request->is_pulling;
}

static void leave(Images *images, Request *request)
{
    mutex_lock(&images->lock);
    g_ptr_array_remove_fast(images->requests, request);
    condition_broadcast(&images->ended);
    mutex_unlock(&images->lock);
}

/* ---- Progress ---- */

/* The ids of those who wait for the image and were not told within PROGRESS_US; they count as told.
 */
static GPtrArray *take_listeners(Images *images, const char *image)
{
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    gint64 now_us = clock_monotonic_us();

    mutex_lock(&images->lock);
    for (guint i = 0; i < images->requests->len; i++) {
        Request *request = images->requests->pdata[i];

        if (!*request->id || request->is_quiet || strcmp(request->image, image) != 0 ||
            (request->told_us && now_us - request->told_us < PROGRESS_US))
            continue;
        request->told_us = now_us;
        g_ptr_array_add(ids, g_strdup(request->id));
    }
    mutex_unlock(&images->lock);
    return ids;
}

/* Takes "<0 to 100>% " off the front of a line; -1 when it has none (engine.h, image_pull). */
static gint take_percent(const char **line, gsize *length)
{
    gint percent = 0;
    gsize at = 0;

    for (; at < *length && at < 3 && g_ascii_isdigit((*line)[at]); at++)
        percent = percent * 10 + g_ascii_digit_value((*line)[at]);
    if (at == 0 || percent > 100 || at + 2 > *length || (*line)[at] != '%' ||
        (*line)[at + 1] != ' ')
        return -1;
    *line += at + 2;
    *length -= at + 2;
    return percent;
}

static char *progress_payload(const char *image, const char *line, gsize length)
{
    GString *payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);
    gint percent = take_percent(&line, &length);
    g_autofree char *text = g_strndup(line, text_prefix_length(line, length, PROGRESS_TEXT_MAX));

    json_out_object(&out, NULL);
    json_out_text(&out, "image", image);
    if (percent >= 0)
        json_out_int(&out, "percent", percent);
    else
        json_out_null(&out, "percent");
    json_out_text(&out, "text", text);
    json_out_end(&out);
    return g_string_free(payload, FALSE);
}

typedef struct {
    Images *images;
    const char *image;
    const Request *request;
} Pull;

static void on_progress(const char *line, gsize length, void *data)
{
    const Pull *pull = data;
    g_autoptr(GPtrArray) ids = take_listeners(pull->images, pull->image);
    g_autofree char *payload = NULL;
    gint64 deadline_us = pull->request->deadline_us;

    if (deadline_us && clock_monotonic_us() > deadline_us)
        cancel_fire(pull->request->cancel);
    if (ids->len == 0 || !pull->images->events)
        return;
    payload = progress_payload(pull->image, line, length);
    for (guint i = 0; i < ids->len; i++)
        events_broadcast(pull->images->events, PROGRESS_EVENT, ids->pdata[i], payload);
}

/* ---- Pulling ---- */

/* What a failed pull means. A registry that cannot be reached looks to the engine's caller like an
 * engine that cannot be reached; only a ping tells them apart. */
static gboolean explain(Images *images, const char *image, GError *cause, GError **error)
{
    ErrorCode code = error_code(cause);
    Reason known = error_reason(cause);
    Reason reason = known == REASON_NONE ? REASON_IMAGE_PULL_FAILED : known;

    if (code == ERROR_NOT_FOUND)
        return error_set_reason(error, ERROR_NOT_FOUND, REASON_IMAGE_NOT_FOUND,
                                "image \"%s\" is not on this machine and no registry has it",
                                image);
    if (code == ERROR_FORBIDDEN)
        return error_set_reason(
            error, ERROR_FORBIDDEN, REASON_IMAGE_PULL_DENIED,
            "image \"%s\" is not on this machine and its registry refuses to give it "
            "to us",
            image);
    if (code == ERROR_INVALID)
        return error_set(error, ERROR_INVALID, "%s", cause->message);
    if (!engine_ping(images->engine, NULL))
        return error_set(error, ERROR_UNAVAILABLE, "pull %s: %s", image, cause->message);
    return error_set_reason(error, ERROR_BUSY, reason, "image \"%s\" is not on this machine: %s",
                            image, reason_sentence(reason));
}

static gboolean pull(Images *images, const Request *request, GError **error)
{
    const char *image = request->image;
    g_autoptr(GError) cause = NULL;
    gint64 began_us = clock_monotonic_us();
    Pull progress = {.images = images, .image = image, .request = request};

    log_info("pulling an image", LOG_TEXT("image", image));
    on_progress(PROGRESS_BEGIN, strlen(PROGRESS_BEGIN), &progress);
    if (engine_image_pull(images->engine, image, on_progress, &progress, request->cancel, &cause)) {
        log_info("image pulled", LOG_TEXT("image", image),
                 LOG_INT("duration_ms", (clock_monotonic_us() - began_us) / 1000));
        return TRUE;
    }
    if (cancel_fired(request->cancel))
        return error_set(error, ERROR_SUPERSEDED, "the pull is not wanted any more");
    log_warning("pull failed", LOG_TEXT("image", image), LOG_CAUSE(cause));
    return explain(images, image, cause, error);
}

/* Another one may have pulled it while this one waited. */
static gboolean pull_unless_there(Images *images, Request *request, char **digest, GError **error)
{
    g_autoptr(GError) absent = NULL;

    if (engine_image_inspect(images->engine, request->image, digest, &absent))
        return TRUE;
    return pull(images, request, error) &&
           engine_image_inspect(images->engine, request->image, digest, error);
}

gboolean images_ensure(Images *images, const char *image, const ImagesWanter *wanter, char **digest,
                       gboolean *pulled, GError **error)
{
    g_autoptr(Cancel) cancel = NULL;
    g_autoptr(GError) absent = NULL;
    Request request = {
        .image = image, .generation = wanter->generation, .is_quiet = wanter->is_quiet};
    gboolean is_there = FALSE;

    *pulled = FALSE;
    if (engine_image_inspect(images->engine, image, digest, &absent))
        return TRUE;
    if (!error_is(absent, ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&absent));
        return FALSE;
    }
    *pulled = TRUE;
    cancel = request.cancel = cancel_new();
    g_strlcpy(request.id, wanter->id, ID_SIZE);
    is_there = enter(images, &request)
                   ? pull_unless_there(images, &request, digest, error)
                   : error_set(error, ERROR_SUPERSEDED, "the image is not wanted any more");
    leave(images, &request);
    return is_there;
}

/* ---- Refresh ---- */

static gboolean pull_again(Images *images, Request *request, char **before, char **after,
                           GError **error)
{
    g_autoptr(GError) absent = NULL;

    if (!engine_image_inspect(images->engine, request->image, before, &absent) &&
        !error_is(absent, ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&absent));
        return FALSE;
    }
    return pull(images, request, error) &&
           engine_image_inspect(images->engine, request->image, after, error);
}

gboolean images_refresh(Images *images, const char *image, gint64 deadline_us, Cancel *cancel,
                        char **before, char **after, GError **error)
{
    Request request = {.image = image, .deadline_us = deadline_us, .cancel = cancel};
    g_autofree char *old = NULL;
    g_autofree char *new = NULL;
    gboolean done = FALSE;

    done = enter(images, &request)
               ? pull_again(images, &request, &old, &new, error)
               : error_set(error, ERROR_SUPERSEDED, "the image is not wanted any more");
    leave(images, &request);
    if (!done)
        return FALSE;
    *before = g_steal_pointer(&old);
    *after = g_steal_pointer(&new);
    return TRUE;
}

/* ---- Review ---- */

typedef struct {
    char id[ID_SIZE];
    gint64 generation;
    Cancel *cancel;
} Wanted;

static void wanted_free(gpointer data)
{
    Wanted *wanted = data;

    cancel_unref(wanted->cancel);
    g_free(wanted);
}

static GPtrArray *list_wanted(Images *images)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(wanted_free);

    mutex_lock(&images->lock);
    for (guint i = 0; i < images->requests->len; i++) {
        const Request *request = images->requests->pdata[i];
        Wanted *wanted = NULL;

        if (!*request->id)
            continue;
        wanted = g_new0(Wanted, 1);
        memcpy(wanted->id, request->id, ID_SIZE);
        wanted->generation = request->generation;
        wanted->cancel = cancel_ref(request->cancel);
        g_ptr_array_add(list, wanted);
    }
    mutex_unlock(&images->lock);
    return list;
}

void images_review(Images *images)
{
    g_autoptr(GPtrArray) list = list_wanted(images);

    for (guint i = 0; i < list->len; i++) {
        Wanted *wanted = list->pdata[i];
        RuntimeDesired desired = RUNTIME_RUNNING;
        gint64 generation = 0;
        gboolean found = FALSE;

        if (!store_runtime_peek(images->db, wanted->id, &desired, &generation, &found, NULL))
            continue; /* the database is away: nothing is known */
        if (!found || generation != wanted->generation)
            cancel_fire(wanted->cancel);
    }
    mutex_lock(&images->lock);
    condition_broadcast(&images->ended);
    mutex_unlock(&images->lock);
}

void images_stop(Images *images)
{
    mutex_lock(&images->lock);
    images->is_stopping = TRUE;
    for (guint i = 0; i < images->requests->len; i++)
        cancel_fire(((Request *)images->requests->pdata[i])->cancel);
    condition_broadcast(&images->ended);
    mutex_unlock(&images->lock);
}
