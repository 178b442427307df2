/* Looks whether registries have other images than before. */
#include "base/log.h"
#include "engine/image_reference.h"
#include "refresh/internal.h"

#include <string.h>

/* Tells of the first failure and of the end of the failures, not of each. */
static void note_reached(Refresh *refresh, const char *runtime, const GError *cause)
{
    gboolean was_away = g_hash_table_contains(refresh->unseen, runtime);

    if (cause && !was_away) {
        g_hash_table_add(refresh->unseen, (char *)(gsize)runtime);
        log_warning("the registry does not say which image is the newest",
                    LOG_TEXT("runtime", runtime), LOG_CAUSE(cause));
    }
    if (!cause && was_away) {
        g_hash_table_remove(refresh->unseen, runtime);
        log_info("the registry answers again", LOG_TEXT("runtime", runtime));
    }
}

/* An image that nobody has here needs no refresh: its first user pulls the newest. */
static gboolean is_here(Refresh *refresh, const Runtime *runtime)
{
    g_autoptr(GError) cause = NULL;

    return reconciler_image_find(refresh->options.reconciler, runtime->image, NULL, &cause) ||
           !error_is(cause, ERROR_NOT_FOUND);
}

/* TRUE: done, the new digest may be remembered. */
static gboolean follow(Refresh *refresh, const Runtime *runtime)
{
    g_auto(RefreshResult) result = {0};

    log_info("the registry has a new image", LOG_TEXT("runtime", runtime->name));
    if (!is_here(refresh, runtime))
        return TRUE;
    refresh_run(refresh, runtime->name, TRUE, &result);
    if (result.error)
        log_warning("an image refresh waits", LOG_TEXT("runtime", runtime->name),
                    LOG_CAUSE(result.error));
    return !result.error && result.failed->len == 0;
}

static gboolean look(Refresh *refresh, const Runtime *runtime, GError **error)
{
    g_autofree char *repository = image_reference_repository_dup(runtime->image);
    g_autofree char *tag = image_reference_tag_dup(runtime->image);
    g_autofree char *digest = NULL;
    g_autoptr(ImageWishRow) row = NULL;

    if (!registry_digest_load(refresh->registry, repository, tag, &digest, error) ||
        !store_image_wish_find(refresh->options.db, runtime->image, &row, error))
        return FALSE;
    if (row && g_strcmp0(row->registry_digest, digest) == 0)
        return TRUE;
    /* The first look only remembers. After a refresh that failed the next turn sees it again. */
    if (row && row->registry_digest && !follow(refresh, runtime))
        return TRUE;
    return store_image_wish_see(refresh->options.db, runtime->image, digest, error);
}

void refresh_watch(Refresh *refresh)
{
    const char *const *names = refresh_known(refresh);

    for (guint i = 0; names[i] && !cancel_fired(refresh->cancel); i++) {
        const Runtime *runtime = runtimes_find(refresh->options.runtimes, names[i]);
        g_autoptr(GError) cause = NULL;

        look(refresh, runtime, &cause);
        if (!cancel_fired(refresh->cancel))
            note_reached(refresh, runtime->name, cause);
    }
}
