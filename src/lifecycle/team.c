#include "lifecycle/team.h"

#include "base/json_out.h"
#include "base/log.h"
#include "provision/team.h"

#include <string.h>

#define EVENT "WORKSPACE_EXPANDED"

void team_child_free(TeamChild *child)
{
    if (!child)
        return;
    g_free(child->name);
    g_free(child->role);
    g_free(child);
}

static GPtrArray *find_members(const Lifecycle *lifecycle, const WorkspaceRow *parent,
                               GError **error)
{
    g_autofree char *folder = team_template_find(lifecycle->configs_dir, parent->name);

    if (folder)
        return team_members_read(folder, error);
    error_set(error, ERROR_INVALID, "there is no template for the name of this workspace");
    return NULL;
}

static WorkspaceOrder order_of(const WorkspaceRow *parent, const TeamMember *member)
{
    WorkspaceOrder order = {
        .name = g_strdup(member->name ? member->name : member->config),
        .role = g_strdup(member->role),
        .template_name = g_strdup(member->config),
        .tier = parent->tier,
        .budget_limit = -1,
        .is_team_member = TRUE,
    };

    memcpy(order.parent_id, parent->id, ID_SIZE);
    return order;
}

static TeamChild *child_of(const WorkspaceCreated *created, const WorkspaceOrder *order)
{
    TeamChild *child = g_new0(TeamChild, 1);

    memcpy(child->id, created->id, ID_SIZE);
    child->name = g_strdup(order->name);
    child->role = g_strdup(order->role ? order->role : "");
    return child;
}

/* A member that is there, or that its template describes badly, does not keep the others away. */
static gboolean make_child(const Lifecycle *lifecycle, const WorkspaceRow *parent,
                           const TeamMember *member, GPtrArray *children, GError **error)
{
    g_auto(WorkspaceOrder) order = order_of(parent, member);
    g_auto(WorkspaceCreated) created = {0};
    g_autoptr(GError) cause = NULL;

    if (lifecycle_create(lifecycle, &order, &created, &cause)) {
        g_ptr_array_add(children, child_of(&created, &order));
        return TRUE;
    }
    if (error_is(cause, ERROR_CONFLICT))
        return TRUE;
    if (error_is(cause, ERROR_INVALID)) {
        log_warning("a member of a team was left out", LOG_TEXT("workspace", parent->id),
                    LOG_CAUSE(cause));
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

void team_children_write(JsonOut *out, const GPtrArray *children)
{
    json_out_array(out, "children");
    for (guint i = 0; i < children->len; i++) {
        const TeamChild *child = children->pdata[i];
        json_out_object(out, NULL);
        json_out_text(out, "id", child->id);
        json_out_text(out, "name", child->name);
        json_out_text(out, "role", child->role);
        json_out_end(out);
    }
    json_out_end(out);
}

static void tell(const Lifecycle *lifecycle, const char *id, const GPtrArray *children)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    team_children_write(&out, children);
    json_out_end(&out);
    events_record(lifecycle->events, EVENT, id, payload->str);
}

GPtrArray *lifecycle_expand(const Lifecycle *lifecycle, const char *id, GError **error)
{
    g_autoptr(OrgNode) parent = org_tree_find(lifecycle->tree, id);
    g_autoptr(GPtrArray) members = NULL;
    g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func((GDestroyNotify)team_child_free);

    if (!parent) {
        error_set(error, ERROR_NOT_FOUND, "workspace not found");
        return NULL;
    }
    members = find_members(lifecycle, org_node_row(parent), error);
    if (!members)
        return NULL;
    for (guint i = 0; i < members->len; i++)
        if (!make_child(lifecycle, org_node_row(parent), members->pdata[i], children, error))
            return NULL;
    if (children->len > 0)
        tell(lifecycle, id, children);
    return g_steal_pointer(&children);
}
