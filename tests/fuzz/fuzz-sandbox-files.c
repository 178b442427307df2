/* Any bytes as what a container's image or archive may hold: accounts, a tar's names, a record. */
#include "engine/sandbox/record.h"
#include "engine/supervisor/user.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is written of a record is read the same. */
static void record_round_trip(const char *text, gsize length)
{
    g_autoptr(SandboxRecord) record = sandbox_record_parse(text, length, NULL);
    g_autoptr(SandboxRecord) again = NULL;
    g_autoptr(GString) first = g_string_new(NULL), second = g_string_new(NULL);

    if (!record)
        return;
    sandbox_record_write(record, first);
    again = sandbox_record_parse(first->str, first->len, NULL);
    g_assert_nonnull(again);
    sandbox_record_write(again, second);
    g_assert_cmpstr(first->str, ==, second->str);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const users[] = {"", "node", "1000", "node:staff", "0:0", ":"};
    g_autofree char *text = g_strndup((const char *)data, size);
    UserIdentity identity;

    for (guint i = 0; i < G_N_ELEMENTS(users); i++)
        if (user_identify(users[i], text, text, &identity)) {
            g_assert_cmpuint(identity.group_count, <=, USER_GROUPS_MAX);
            g_assert_cmpuint(strlen(identity.home), <, USER_HOME_SIZE);
        }
    (void)user_identify(text, "root:x:0:0::/root:/bin/sh\n", "staff:x:50:root\n", &identity);
    record_round_trip((const char *)data, size);
    return 0;
}
