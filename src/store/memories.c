#include "store/memories.h"

#include "base/clock.h"

#include <string.h>

gboolean store_memory_insert(Db *db, const char *workspace_id, const char *content,
                             const char *scope, const char *name_space, char id[ID_SIZE],
                             GError **error)
{
    static const char sql[] =
        "INSERT INTO agent_memories (id, workspace_id, content, scope, namespace, created_at,"
        " updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)";
    char made[ID_SIZE];

    id_make(made);
    if (!db_exec(db, sql, NULL, error, DB_TEXT(made), DB_TEXT(workspace_id), DB_TEXT(content),
                 DB_TEXT(scope), DB_TEXT(name_space ? name_space : "general"),
                 DB_INT(clock_now_us())))
        return error_prefix(error, "insert a memory of workspace %s", workspace_id);
    if (id)
        memcpy(id, made, ID_SIZE);
    return TRUE;
}
