#include "provision/gh_identity.h"

#include "base/crypto.h"
#include "provision/gh_wrapper.h"
#include "provision/yaml.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_MAX_BYTES (1024 * 1024)
#define ROLE_MAX_BYTES   100
#define LOGIN_MAX_BYTES  100
#define DEFAULT_ROLE     "default"
#define ROLE             "MOLECULE_AGENT_ROLE"
#define ROBOT            "\xF0\x9F\xA4\x96" /* U+1F916 */
#define MIDDLE_DOT       "\xC2\xB7"         /* U+00B7 */
#define TAG_PREFIX       "ws-"
#define TAG_ID_BYTES     8
#define SHA_BYTES        6 /* 12 hexadecimal digits */

struct _GhIdentity {
    GHashTable *owners; /* lower-case role -> login */
    char *wrapper;      /* base64 */
    char sha[2 * SHA_BYTES + 1];
};

/* ---- The owners' file ---- */

static void read_roles(GhIdentity *identity, struct fy_node *roles)
{
    void *state = NULL;

    if (!roles || !fy_node_is_mapping(roles))
        return;
    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(roles, &state));) {
        g_autofree char *role = yaml_scalar_dup(fy_node_pair_key(pair), ROLE_MAX_BYTES);
        g_autofree char *owner =
            yaml_scalar_dup(yaml_member(fy_node_pair_value(pair), "owner"), LOGIN_MAX_BYTES);
        if (role && owner)
            g_hash_table_insert(identity->owners, g_ascii_strdown(role, -1),
                                g_steal_pointer(&owner));
    }
}

static gboolean parse(GhIdentity *identity, const char *text, gsize length, const char *path,
                      GError **error)
{
    struct fy_document *document = NULL;
    struct fy_node *root = yaml_parse_mapping(text, length, &document);
    gboolean is_good = root || length == 0;

    if (root)
        read_roles(identity, yaml_member(root, "roles"));
    fy_document_destroy(document);
    return is_good || error_set(error, ERROR_INVALID,
                                "MOLECULE_GH_IDENTITY_CONFIG_FILE: %s is no YAML mapping", path);
}

static gboolean read_config(GhIdentity *identity, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    struct stat status;

    if (!path || (stat(path, &status) != 0 && errno == ENOENT))
        return TRUE;
    if (!S_ISREG(status.st_mode) || status.st_size > CONFIG_MAX_BYTES ||
        !g_file_get_contents(path, &text, &length, NULL))
        return error_set(error, ERROR_INVALID, "MOLECULE_GH_IDENTITY_CONFIG_FILE: cannot read %s",
                         path);
    return parse(identity, text, length, path, error);
}

/* ---- The mutator ---- */

static void make_wrapper(GhIdentity *identity)
{
    guint8 hash[CRYPTO_HASH_SIZE];

    identity->wrapper = g_base64_encode(gh_wrapper, gh_wrapper_size);
    crypto_sha256(gh_wrapper, gh_wrapper_size, hash);
    for (guint i = 0; i < SHA_BYTES; i++)
        g_snprintf(identity->sha + 2 * (gsize)i, 3, "%02x", hash[i]);
}

GhIdentity *gh_identity_new(const char *path, GError **error)
{
    g_autoptr(GhIdentity) identity = g_new0(GhIdentity, 1);

    identity->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    make_wrapper(identity);
    return read_config(identity, path, error) ? g_steal_pointer(&identity) : NULL;
}

void gh_identity_free(GhIdentity *identity)
{
    if (!identity)
        return;
    g_hash_table_unref(identity->owners);
    g_free(identity->wrapper);
    g_free(identity);
}

char *gh_role_dup(const char *role)
{
    char *text = g_strstrip(g_strdup(role ? role : ""));
    gboolean begins = TRUE;

    for (char *at = text; *at; at++) {
        if (begins)
            *at = g_ascii_toupper(*at);
        begins = *at == '-';
    }
    return text;
}

static const char *find_owner(const GhIdentity *identity, const char *role)
{
    g_autofree char *key = g_ascii_strdown(role, -1);
    const char *owner = g_hash_table_lookup(identity->owners, key);

    if (!owner)
        owner = g_hash_table_lookup(identity->owners, DEFAULT_ROLE);
    return owner ? owner : "";
}

static char *badge_dup(const char *role, const char *workspace_id)
{
    const char *bare = g_str_has_prefix(workspace_id, TAG_PREFIX)
                           ? workspace_id + strlen(TAG_PREFIX)
                           : workspace_id;

    return g_strdup_printf(ROBOT " [Agent: %s " MIDDLE_DOT " " TAG_PREFIX "%.*s]", role,
                           TAG_ID_BYTES, bare);
}

static void set(GHashTable *environment, const char *name, const char *value)
{
    g_hash_table_insert(environment, g_strdup(name), g_strdup(value));
}

static gboolean run(const char *workspace_id, GHashTable *environment, void *data, GError **error)
{
    const GhIdentity *identity = data;
    g_autofree char *role = gh_role_dup(g_hash_table_lookup(environment, ROLE));
    g_autofree char *badge = badge_dup(role, workspace_id);

    (void)error;
    if (!*role)
        return TRUE;
    set(environment, ROLE, role);
    set(environment, "MOLECULE_OWNER", find_owner(identity, role));
    set(environment, "MOLECULE_WORKSPACE_ID", workspace_id);
    set(environment, "MOLECULE_ATTRIBUTION_BADGE", badge);
    set(environment, "MOLECULE_GH_WRAPPER_B64", identity->wrapper);
    set(environment, "MOLECULE_GH_WRAPPER_SHA", identity->sha);
    return TRUE;
}

EnvMutator gh_identity_mutator(GhIdentity *identity)
{
    return (EnvMutator){.name = GH_IDENTITY_NAME, .run = run, .data = identity};
}
