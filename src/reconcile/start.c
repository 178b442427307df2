/* The start of a container, step by step; each one is recorded before the next and can be repeated.
 *
 * From nothing: the names of its volumes are recorded, then image, network, volumes, container.
 * From created: seeded. From seeded: started. What runs is adopted: its address is published.
 * Nothing that was half done needs undoing here: the next look finds it, by its name and labels,
 * and goes on or removes it. Source: spec 02 sections 8.11 ("Ours"), 8.10, 17.3 B, C. */
#include "reconcile/start.h"

#include "base/clock.h"
#include "base/log.h"
#include "reconcile/hosted.h"
#include "reconcile/warm.h"
#include "store/workspaces.h"

#include <string.h>

#define ADDRESS_TRIES   3 /* spec 02, 8.10 */
#define ADDRESS_WAIT_US (500 * 1000)

static Engine *engine_of(const Look *look)
{
    return look->reconciler->options.engine;
}

/* What the engine says is not there any more, was there a moment ago: look again. */
static gboolean vanished(GError **error, GError *cause)
{
    if (error_is(cause, ERROR_NOT_FOUND)) {
        error_set_reason(error, ERROR_OUTCOME_UNKNOWN, error_reason(cause),
                         "it is not there any more: %s", cause->message);
        g_error_free(cause);
    } else {
        g_propagate_error(error, cause);
    }
    return FALSE;
}

/* ---- Volumes ---- */

#define ORDER_NAME_BYTES 8

/* A reset gives the sessions a volume of a new name, made from the order (or the wish): done twice
 * it is done once. */
static char *sessions_name_dup(const Start *start)
{
    g_autofree char *base = volume_name_dup(start->look->id, VOLUME_SESSIONS, FALSE);

    if (start->resets_each_wish)
        return g_strdup_printf("%s-g%" G_GINT64_FORMAT, base, start->look->runtime->generation);
    return g_strdup_printf("%s-%.*s", base, ORDER_NAME_BYTES,
                           *start->wish->reset_order ? start->wish->reset_order : start->order);
}

static char **choose_volumes(const Start *start)
{
    const Look *look = start->look;
    guint kinds = container_volume_kinds(start->runtime, &start->caps, start->directory != NULL);
    char **names = volume_names_parse(look->runtime->volumes);

    if (!names)
        names = g_new0(char *, VOLUME_KINDS + 1);
    for (guint kind = 0; kind < VOLUME_KINDS; kind++)
        if (!names[kind] && kinds & (1u << kind))
            names[kind] = volume_name_dup(look->id, (VolumeKind)kind, FALSE);
    if ((start->wish->reset_sessions || start->resets_each_wish) && names[VOLUME_SESSIONS] &&
        kinds & (1u << VOLUME_SESSIONS)) {
        g_free(names[VOLUME_SESSIONS]);
        names[VOLUME_SESSIONS] = sessions_name_dup(start);
    }
    return names;
}

/* Volumes that this workspace had under other names are not used any more. */
static gboolean discard_former(Look *look, char *const *names, GError **error)
{
    char **former = volume_names_parse(look->runtime->volumes);
    gboolean done = TRUE;

    for (guint kind = 0; former && kind < VOLUME_KINDS && done; kind++)
        if (former[kind] && g_strcmp0(former[kind], names[kind]) != 0)
            done = store_garbage_add(look->reconciler->options.db, GARBAGE_VOLUME, former[kind],
                                     look->id, clock_now_us(), error);
    volume_names_free(former);
    return done;
}

/* The names are recorded before the first of them exists. */
static gboolean record_volumes(Look *look, char *const *names, GError **error)
{
    g_autofree char *text = volume_names_text(names);
    RuntimeProgress progress = {.phase = RUNTIME_PULLING, .volumes = text};
    g_autoptr(DbTransaction) transaction = db_begin(look->reconciler->options.db, error);

    return transaction && discard_former(look, names, error) &&
           look_progress(look, &progress, error) && db_commit(&transaction, error);
}

static gboolean make_volume(Look *look, VolumeKind kind, const char *name, gboolean *is_ours,
                            GError **error)
{
    EngineLabels labels = {
        .installation = (char *)look->reconciler->options.installation,
        .workspace = (char *)look->id,
        .kind = (char *)volume_kind_label(kind),
    };
    EngineLabels existing = {0};

    if (!owned_volume_create(look->reconciler, name, &labels, &existing, error))
        return FALSE;
    *is_ours = observe_is_ours(look->reconciler, &existing, look->id);
    engine_labels_clear(&existing);
    return TRUE;
}

/* A foreign volume has the name: the long one is taken, and recorded first. */
static gboolean make_own_volume(Look *look, VolumeKind kind, char **names, GError **error)
{
    gboolean is_ours = FALSE;

    if (!make_volume(look, kind, names[kind], &is_ours, error))
        return FALSE;
    if (is_ours)
        return TRUE;
    log_warning("a volume of that name is not ours; another name is used",
                LOG_TEXT("workspace", look->id), LOG_TEXT("volume", names[kind]));
    g_free(names[kind]);
    names[kind] = volume_name_dup(look->id, kind, TRUE);
    if (!record_volumes(look, names, error) ||
        !make_volume(look, kind, names[kind], &is_ours, error))
        return FALSE;
    return is_ours ||
           error_set_reason(error, ERROR_CONFLICT, REASON_NAME_TAKEN,
                            "the names for the workspace's volumes belong to somebody else");
}

static gboolean make_volumes(Start *start, char **names, GError **error)
{
    guint kinds = container_volume_kinds(start->runtime, &start->caps, start->directory != NULL);

    for (guint kind = 0; kind < VOLUME_KINDS; kind++)
        if (kinds & (1u << kind) && !make_own_volume(start->look, (VolumeKind)kind, names, error))
            return FALSE;
    return TRUE;
}

/* ---- Image and network ---- */

/* Whether engine or machine lack something, only a ping tells. */
static gboolean ensure_base_image(const ReconcilerOptions *options, char **image, GError **error)
{
    g_autoptr(GError) cause = NULL;

    g_clear_pointer(image, g_free);
    if (!options->base_image)
        return error_set_reason(error, ERROR_INVALID, REASON_NO_BASE_IMAGE,
                                "this server has no base image");
    if (options->base_image(options->engine, image, options->base_image_data, &cause))
        return TRUE;
    if (!error_is(cause, ERROR_UNAVAILABLE) || !engine_ping(options->engine, NULL)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_warning("the base image cannot be made", LOG_CAUSE(cause));
    return error_set_reason(
        error, ERROR_BUSY, REASON_NO_BASE_IMAGE,
        "the base image cannot be made on this machine; is busybox-static installed?");
}

static gboolean ensure_image(Start *start, char **image, char **digest, GError **error)
{
    Look *look = start->look;
    const ReconcilerOptions *options = &look->reconciler->options;
    const ImagesWanter wanter = {
        .id = look->id,
        .generation = look->runtime->generation,
        .is_quiet = look->runtime->warm_key != NULL,
    };
    gboolean pulled = FALSE;

    *image = container_image_dup(look->workspace, reconciler_runtimes(look->reconciler), "", error);
    if (!*image)
        return FALSE;
    if (!**image && !ensure_base_image(options, image, error))
        return FALSE;
    if (!images_ensure(look->reconciler->images, *image, &wanter, digest, &pulled, error))
        return FALSE;
    /* The time that a pull took is not the agent's. */
    return !pulled || verdict_begins_again(look, TRUE, error);
}

static gboolean ensure_network(Start *start, GError **error)
{
    return start->caps.host_network || reconciler_ensure_network(start->look->reconciler, error);
}

/* ---- The container ---- */

/* NULL: the image's own entry point. */
static const char *agent_path(const Start *start)
{
    if (!start->has_agent)
        return NULL;
    return start->caps.read_only_root && !start->is_agent_inside ? AGENT_READ_ONLY_PATH
                                                                 : AGENT_PATH;
}

static ContainerPlan *plan_container(Start *start, const char *image, char *const *names)
{
    Look *look = start->look;
    const ReconcilerOptions *options = &look->reconciler->options;
    g_autofree char *name = container_name_dup(look->id, look->short_is_foreign);
    guint kinds = container_volume_kinds(start->runtime, &start->caps, start->directory != NULL);
    char *mounted[VOLUME_KINDS] = {NULL};
    ContainerInput input = {
        .row = look->workspace,
        .generation = look->runtime->generation,
        .installation = options->installation,
        .name = name,
        .image = image,
        .network = options->network,
        .volumes = mounted,
        .directory = start->directory,
        .directory_read_only = start->directory_read_only,
        .caps = &start->caps,
        .environment = start->environment,
        .agent_path = agent_path(start),
        .engine_has_socket = !start->is_local,
        .port = start->port,
    };

    for (guint kind = 0; kind < VOLUME_KINDS; kind++)
        if (kinds & (1u << kind))
            mounted[kind] = names[kind];
    return container_plan_new(&input);
}

static gboolean create(Start *start, const char *image, const char *digest, char *const *names,
                       GError **error)
{
    Look *look = start->look;
    g_autoptr(ContainerPlan) plan = plan_container(start, image, names);
    g_autoptr(GError) cause = NULL;
    g_autofree char *container_id = NULL;
    RuntimeProgress progress = {.phase = RUNTIME_CREATED, .image_digest = digest};

    if (!engine_create(engine_of(look), &plan->spec, &container_id, &cause)) {
        if (error_is(cause, ERROR_CONFLICT)) /* taken since we looked */
            return error_set_reason(error, ERROR_OUTCOME_UNKNOWN, REASON_NAME_TAKEN,
                                    "the container's name is taken");
        return vanished(error, g_steal_pointer(&cause));
    }
    progress.container_id = container_id;
    return look_progress(look, &progress, error);
}

static gboolean make_all(Start *start, char **names, GError **error)
{
    Look *look = start->look;
    g_autofree char *image = NULL;
    g_autofree char *digest = NULL;

    return record_volumes(look, names, error) && ensure_image(start, &image, &digest, error) &&
           ensure_network(start, error) && make_volumes(start, names, error) &&
           look_is_current(look, error) && create(start, image, digest, names, error);
}

gboolean start_from_nothing(Look *look, GError **error)
{
    g_auto(Start) start = {0};
    guint timeout_s = 0;
    gint64 deadline_us = look_provision_deadline_us(look, &timeout_s);
    char **names = NULL;
    gboolean done = FALSE;

    if (look_is_hosted(look))
        return hosted_start(look, error);
    /* One that never got a chance (the server was down) begins its time now. */
    if (!start_prepare(&start, look, error) ||
        !verdict_begins_again(look, deadline_us && deadline_us <= clock_now_us(), error))
        return FALSE;
    log_info("workspace is being started", LOG_TEXT("workspace", look->id),
             LOG_INT("generation", look->runtime->generation),
             LOG_INT("attempts", look->runtime->attempts));
    names = choose_volumes(&start);
    done = make_all(&start, names, error);
    volume_names_free(names);
    return done;
}

/* ---- Adoption ---- */

/* A port may appear a moment after the start. */
static char *find_url(Look *look, const ContainerInfo *container)
{
    char *url = plan_url_dup(container);

    for (guint i = 1; !url && i < ADDRESS_TRIES && container->state == CONTAINER_RUNNING; i++) {
        g_autoptr(ContainerInfo) again = NULL;

        cancel_wait_until(look->reconciler->cancel, clock_monotonic_us() + ADDRESS_WAIT_US);
        if (owned_inspect(look->reconciler, container->id, &again, NULL))
            url = plan_url_dup(again);
    }
    return url ? url : g_strdup_printf("http://%s:%u", container->name, AGENT_DEFAULT_PORT);
}

/* Published before it is recorded: a crash between the two publishes it again. */
gboolean start_adopt(Look *look, const ContainerInfo *container, GError **error)
{
    const ReconcilerOptions *options = &look->reconciler->options;
    gboolean is_hosted = look_is_hosted(look);
    g_autofree char *url = is_hosted ? NULL : find_url(look, container);
    RuntimeProgress progress = {
        .phase = RUNTIME_STARTED, .container_id = container->id, .address = url};
    gboolean changed = FALSE;

    if (is_hosted) /* its agent says where it is */
        return hosted_adopt(look, container, error);
    if (!store_workspace_set_minted_url(options->db, look->id, look->runtime->generation, url,
                                        &changed, error))
        return FALSE;
    if (changed && !org_tree_refresh(options->tree, look->id, NULL))
        log_warning("an address shows up in memory a little later",
                    LOG_TEXT("workspace", look->id));
    if (!look_progress(look, &progress, error))
        return FALSE;
    if (look->runtime->warm_key) /* the next one may follow */
        warm_want(look->reconciler->warm);
    log_info("workspace runs", LOG_TEXT("workspace", look->id), LOG_TEXT("url", url),
             LOG_INT("generation", look->runtime->generation));
    return TRUE;
}

/* ---- Going on ---- */

/* Its agent registers within milliseconds: the address should be known by then. What goes wrong
 * here is found by the next look. */
static gboolean adopt_at_once(Look *look, const char *container_id, GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;

    if (!owned_inspect(look->reconciler, container_id, &info, NULL) ||
        info->state != CONTAINER_RUNNING)
        return TRUE;
    return start_adopt(look, info, error);
}

static gboolean launch(Look *look, const char *container_id, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (!look_is_current(look, error))
        return FALSE;
    if (!engine_start(engine_of(look), container_id, &cause))
        return vanished(error, g_steal_pointer(&cause));
    return adopt_at_once(look, container_id, error);
}

gboolean start_from_created(Look *look, const ContainerInfo *container, GError **error)
{
    g_auto(Start) start = {0};
    RuntimeProgress progress = {
        .phase = RUNTIME_SEEDED, .container_id = container->id, .clear_seed = TRUE};

    return start_prepare(&start, look, error) && start_seed(&start, container, error) &&
           look_progress(look, &progress, error) && launch(look, container->id, error);
}

gboolean start_from_seeded(Look *look, const ContainerInfo *container, GError **error)
{
    return launch(look, container->id, error);
}
