#include "app/installation.h"

#include "auth/state_files.h"
#include "base/log.h"
#include "store/installation.h"

#include <string.h>

#define ID_FILE "installation-id"

/* While in dispute nothing is written: a wrong setting, corrected, must leave no trace. */
static gboolean keep(const Config *config, Db *db, const Installation *installation,
                     const char *in_file, const InstallationRow *in_database, GError **error)
{
    const char *id = installation->id;

    if (installation->disputed)
        return TRUE;
    if (g_strcmp0(in_file, id) != 0 && !state_file_write(config->data_dir, ID_FILE, id, error))
        return FALSE;
    return in_database || store_installation_put(db, id, NULL, error);
}

gboolean installation_load(const Config *config, Db *db, Installation *installation, GError **error)
{
    g_autofree char *in_file = state_file_read(config->data_dir, ID_FILE);
    g_autoptr(InstallationRow) in_database = NULL;
    const char *wanted = config->installation_id ? config->installation_id : in_file;

    *installation = (Installation){0};
    if (!store_installation_find(db, &in_database, error))
        return FALSE;
    if (!wanted && in_database)
        wanted = in_database->id;
    if (!wanted)
        id_make(installation->id);
    else if (!id_fold(wanted, installation->id))
        return error_set(error, ERROR_INVALID, "the installation id must be a UUID: %s", wanted);
    installation->disputed = in_database && strcmp(in_database->id, installation->id) != 0;
    if (installation->disputed)
        log_error("the database belongs to another installation: nothing is started or removed",
                  LOG_TEXT("ours", installation->id), LOG_TEXT("database", in_database->id));
    installation->is_new = !in_file && !in_database;
    return keep(config, db, installation, in_file, in_database, error);
}
