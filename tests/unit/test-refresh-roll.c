/* Who is brought over to a new image, and in which order. */
#include "refresh/roll.h"

#define NEW "sha256:new"
#define OLD "sha256:old"

typedef struct {
    const char *name;
    RuntimeDesired desired;
    RuntimePhase phase;
    const char *digest;
    gint64 generation;
    WorkspaceStatus status;
    gint64 rolled;
    gboolean is_overdue;
    RollState expected;
} Case;

static const Case cases[] = {
    {"an old one that answers", RUNTIME_RUNNING, RUNTIME_STARTED, OLD, 3, WORKSPACE_ONLINE, 0,
     FALSE, ROLL_CANDIDATE},
    {"an old one that is ill", RUNTIME_RUNNING, RUNTIME_READY, OLD, 3, WORKSPACE_DEGRADED, 0, FALSE,
     ROLL_CANDIDATE},
    {"one of unknown image", RUNTIME_RUNNING, RUNTIME_READY, NULL, 3, WORKSPACE_OFFLINE, 0, FALSE,
     ROLL_CANDIDATE},
    {"a new one", RUNTIME_RUNNING, RUNTIME_STARTED, NEW, 3, WORKSPACE_ONLINE, 0, FALSE,
     ROLL_NOTHING},
    {"a paused one", RUNTIME_STOPPED, RUNTIME_GONE, OLD, 3, WORKSPACE_PAUSED, 0, FALSE,
     ROLL_NOTHING},
    {"a frozen one", RUNTIME_FROZEN, RUNTIME_STARTED, OLD, 3, WORKSPACE_HIBERNATED, 0, FALSE,
     ROLL_NOTHING},
    {"a failed one", RUNTIME_RUNNING, RUNTIME_FAILED, OLD, 3, WORKSPACE_FAILED, 0, FALSE,
     ROLL_NOTHING},
    {"one that others start", RUNTIME_RUNNING, RUNTIME_PULLING, OLD, 3, WORKSPACE_PROVISIONING, 0,
     FALSE, ROLL_LATER},
    {"ours, not made yet", RUNTIME_RUNNING, RUNTIME_PENDING, OLD, 4, WORKSPACE_PROVISIONING, 4,
     FALSE, ROLL_WAITING},
    {"ours, not heard of yet", RUNTIME_RUNNING, RUNTIME_STARTED, NEW, 4, WORKSPACE_PROVISIONING, 4,
     FALSE, ROLL_WAITING},
    {"ours, back", RUNTIME_RUNNING, RUNTIME_STARTED, NEW, 4, WORKSPACE_ONLINE, 4, FALSE,
     ROLL_NOTHING},
    {"ours, back with a third image", RUNTIME_RUNNING, RUNTIME_STARTED, "sha256:third", 4,
     WORKSPACE_ONLINE, 4, FALSE, ROLL_NOTHING},
    {"ours, failed", RUNTIME_RUNNING, RUNTIME_FAILED, NEW, 4, WORKSPACE_FAILED, 4, FALSE,
     ROLL_FAILED},
    {"ours, overdue", RUNTIME_RUNNING, RUNTIME_STARTED, NEW, 4, WORKSPACE_PROVISIONING, 4, TRUE,
     ROLL_FAILED},
    {"ours, then somebody else's", RUNTIME_RUNNING, RUNTIME_PENDING, OLD, 5, WORKSPACE_PROVISIONING,
     4, FALSE, ROLL_NOTHING},
    {"ours, then paused", RUNTIME_STOPPED, RUNTIME_GONE, OLD, 5, WORKSPACE_PAUSED, 4, FALSE,
     ROLL_NOTHING},
};

static void test_judge(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *each = &cases[i];
        RuntimeRow runtime = {
            .desired = each->desired,
            .phase = each->phase,
            .image_digest = (char *)(gsize)each->digest,
            .generation = each->generation,
        };

        g_test_message("%s", each->name);
        g_assert_cmpint(roll_judge(&runtime, each->status, NEW, each->rolled, each->is_overdue), ==,
                        each->expected);
    }
}

static void test_idle_ones_go_first(void)
{
    WorkspaceRow rows[] = {
        {.active_tasks = 3}, {.active_tasks = 0}, {.active_tasks = 1}, {.active_tasks = 0}};
    RollCandidate candidates[] = {
        {.row = &rows[0]}, {.row = &rows[1]}, {.row = &rows[2]}, {.row = &rows[3]}};

    g_assert_cmpuint(roll_choose(candidates, 4, 1, FALSE), ==, 1);
    g_assert_cmpint(candidates[0].row->active_tasks, ==, 0);
    g_assert_cmpuint(roll_choose(candidates, 4, 4, FALSE), ==, 2);
    g_assert_cmpuint(roll_choose(candidates, 4, 4, TRUE), ==, 4);
    g_assert_cmpint(candidates[2].row->active_tasks, ==, 1);
    g_assert_cmpuint(roll_choose(candidates, 4, 0, TRUE), ==, 0);
    g_assert_cmpuint(roll_choose(NULL, 0, 2, TRUE), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/refresh/each-workspace-is-judged", test_judge);
    g_test_add_func("/refresh/idle-ones-go-first", test_idle_ones_go_first);
    return g_test_run();
}
