/* The ground floor: one server a data folder, its keys and tokens, the database, who we are to the
 * engine, the engine. */
#include "app/engine_choice.h"
#include "app/house.h"
#include "auth/state_files.h"
#include "base/log.h"
#include "db/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define DATABASE_PATIENCE_MS 30000
#define TEMPLATES_FOLDER     "workspace-configs-templates"
#define TEMPLATES_LEVELS     3 /* here and up to two folders above; spec 02, section 2 */

/* Two servers on one data folder would share a database file and a sandbox: the second is refused.
 */
static gboolean lock_folder(Rooms *rooms, GError **error)
{
    g_autofree char *path = g_build_filename(rooms->config->data_dir, "lock", NULL);

    rooms->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (rooms->lock_fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, "cannot open %s: %s", path, g_strerror(errno));
    if (flock(rooms->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    return error_set(error, ERROR_CONFLICT, "another server uses the data folder %s",
                     rooms->config->data_dir);
}

static char *find_configs_dir(const Config *config)
{
    g_autofree char *folder = g_get_current_dir();

    if (config->configs_dir)
        return g_strdup(config->configs_dir);
    for (guint level = 0; level < TEMPLATES_LEVELS; level++) {
        g_autofree char *candidate = g_build_filename(folder, TEMPLATES_FOLDER, NULL);
        char *above = NULL;
        if (g_file_test(candidate, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&candidate);
        above = g_path_get_dirname(folder);
        g_free(folder);
        folder = above;
    }
    return NULL;
}

/* Beside this program: installed side by side, or as the build leaves it. */
static char *find_agent(const Config *config)
{
    static const char *const places[] = {"workspace-agent", "../agent/workspace-agent"};
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : g_strdup(".");

    if (config->agent_path)
        return g_strdup(config->agent_path);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(folder, places[i], NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    log_warning("the built-in agent is not beside this program; see WORKSPACED_AGENT");
    return g_build_filename(folder, places[0], NULL);
}

gboolean ground_build(Rooms *rooms, GError **error)
{
    const Config *config = rooms->config;

    if (!state_folder_ensure(config->data_dir, error) || !lock_folder(rooms, error))
        return FALSE;
    rooms->admin_token = state_admin_token(config, &rooms->admin_token_is_new, error);
    if (!rooms->admin_token || !state_secrets_key(config, rooms->secrets_key, error))
        return FALSE;
    rooms->configs_dir = find_configs_dir(config);
    rooms->agent_path = find_agent(config);
    rooms->db = db_open(config->database_url, DATABASE_PATIENCE_MS, error);
    rooms->holds =
        rooms->db ? db_holds_open(config->database_url, DATABASE_PATIENCE_MS, error) : NULL;
    return rooms->holds && db_migrate(rooms->db, NULL, error) &&
           installation_load(config, rooms->db, &rooms->installation, error) &&
           engine_choose(config, rooms->installation.id, &rooms->engine, error);
}
