#include "base/reasons.h"

#include <signal.h>
#include <string.h>

#define EXIT_NOT_EXECUTABLE 126 /* POSIX, "Shell Command Language", 2.8.2 */
#define EXIT_NOT_FOUND      127
#define EXIT_SIGNAL         128 /* plus the signal's number */
#define SIGNAL_MAX          64

static const struct {
    const char *word, *sentence, *hint;
} reasons[] = {
    [REASON_NONE] = {"", "nothing failed", ""},
    [REASON_IMAGE_NOT_FOUND] = {"image_not_found",
                                "the image is not on this machine and no registry has it",
                                "Check the image's name and tag, or build or import it here."},
    [REASON_IMAGE_PULL_DENIED] =
        {"image_pull_denied", "the image's registry refuses to give it to us",
         "Check its name; if it is right, set GHCR_USER and GHCR_TOKEN, or pull it by hand."},
    [REASON_REGISTRY_UNREACHABLE] = {"registry_unreachable",
                                     "the image's registry cannot be reached",
                                     "Check the engine machine's network, name service and proxy; "
                                     "it is tried again by itself."},
    [REASON_IMAGE_PULL_FAILED] =
        {"image_pull_failed", "the image could not be pulled",
         "Pull it by hand on the engine's machine to see why; it is tried again by itself."},
    [REASON_NO_BASE_IMAGE] = {"no_base_image", "the base image cannot be made on this machine",
                              "Install busybox-static on the server's machine, or name an image."},
    [REASON_COMMAND_NOT_FOUND] = {"command_not_found",
                                  "the container's command is not in its image",
                                  "Correct the command or the image, then restart the workspace."},
    [REASON_COMMAND_NOT_EXECUTABLE] =
        {"command_not_executable", "the container's command may not be run",
         "Make it executable for the image's user and of this machine's architecture."},
    [REASON_MOUNT_REFUSED] =
        {"mount_refused", "a directory or volume cannot be mounted",
         "The directory must exist on the engine's machine and be a directory."},
    [REASON_PORT_UNAVAILABLE] =
        {"port_unavailable", "a port that the workspace needs is taken or cannot be bound",
         "Free the port, or use a tier that does not share the machine's network."},
    [REASON_NAME_TAKEN] = {"name_taken", "the names it needs in the engine belong to somebody else",
                           "Rename or remove the foreign containers and volumes of these names."},
    [REASON_SETTINGS_REFUSED] = {"settings_refused", "the engine refuses the container's settings",
                                 "Check limits, mounts and names; the server's log has the "
                                 "engine's answer at level debug."},
    [REASON_DISK_FULL] = {"disk_full", "there is no space left on the engine's disk",
                          "Free space on the engine's machine; it is tried again by itself."},
    [REASON_REFUSED_BY_POLICY] =
        {"refused_by_policy", "this server's settings do not allow it",
         "Choose a lower tier or another directory, or ask who runs the server."},
    [REASON_CONFIGURATION_MISSING] =
        {"configuration_missing", "there is no configuration to start it with",
         "Give it an image, a template or a runtime that this server knows."},
    [REASON_VARIABLES_MISSING] = {"variables_missing", "required variables have no value",
                                  "Set them as secrets, then retry."},
    [REASON_SECRETS_UNREADABLE] =
        {"secrets_unreadable", "its secrets cannot be decrypted",
         "Bring back the key they were encrypted with, or set the secrets again."},
    [REASON_OUT_OF_MEMORY] = {"out_of_memory", "the container ran out of memory",
                              "Raise its tier or the tier's memory limit, or let it use less."},
    [REASON_EXIT_CODE] = {"exit_code", "the container ended by itself",
                          "Read the last lines of its log."},
    [REASON_KILLED] = {"killed", "the container was killed from outside",
                       "Look who ended it: an administrator, or the machine's own memory guard."},
    [REASON_CRASH_LOOP] = {"crash_loop", "the container ends again and again",
                           "Read the last lines of its log, correct the cause, then restart it."},
    [REASON_CONTAINER_LOST] = {"container_lost", "the container was removed from outside",
                               "Look who removes this server's containers; it is made anew."},
    [REASON_UNHEALTHY] = {"unhealthy", "the container runs, but its agent is silent",
                          "It is made anew; if that happens often, read its log."},
    [REASON_NEVER_REGISTERED] =
        {"never_registered", "the container started, but its agent did not register in time",
         "Check that the image holds an agent and that it can reach this server's address."},
    [REASON_HEALTH_CHECK_FAILED] =
        {"health_check_failed", "the image's own health check fails",
         "It is left running and comes back by itself when the check succeeds; see what the check "
         "says, or restart it."},
    [REASON_ENGINE_DOWN] = {"engine_down", "the container engine does not answer",
                            "Start the engine; everything goes on by itself then."},
    [REASON_NO_ENGINE] = {"no_engine", "this server has no container engine",
                          "Install Docker, Podman or bubblewrap, or set WORKSPACED_ENGINE."},
    [REASON_REMOVAL_FAILED] =
        {"removal_failed", "what is left of it cannot be stopped or removed",
         "It is tried again for ever; look at the engine if it does not end."},
    [REASON_START_FAILED] = {"start_failed", "workspace start failed",
                             "The server's log says more; it is tried again by itself."},
};
G_STATIC_ASSERT(G_N_ELEMENTS(reasons) == REASON_COUNT);

static Reason known(Reason reason)
{
    return (guint)reason < REASON_COUNT ? reason : REASON_START_FAILED;
}

const char *reason_word(Reason reason)
{
    return reasons[known(reason)].word;
}

Reason reason_parse(const char *word)
{
    for (guint i = 0; word && i < REASON_COUNT; i++)
        if (strcmp(reasons[i].word, word) == 0)
            return (Reason)i;
    return REASON_NONE;
}

const char *reason_sentence(Reason reason)
{
    return reasons[known(reason)].sentence;
}

const char *reason_hint(Reason reason)
{
    return reasons[known(reason)].hint;
}

static gboolean is_signal(gint64 exit_code)
{
    return exit_code > EXIT_SIGNAL && exit_code <= EXIT_SIGNAL + SIGNAL_MAX;
}

Reason reason_of_exit(gint64 exit_code, gboolean out_of_memory)
{
    /* The mark may be of another process of the container: a good end has nothing to do with it. */
    if (out_of_memory && exit_code != 0 && exit_code != EXIT_SIGNAL + SIGTERM)
        return REASON_OUT_OF_MEMORY;
    if (exit_code == EXIT_NOT_FOUND)
        return REASON_COMMAND_NOT_FOUND;
    if (exit_code == EXIT_NOT_EXECUTABLE)
        return REASON_COMMAND_NOT_EXECUTABLE;
    return is_signal(exit_code) ? REASON_KILLED : REASON_EXIT_CODE;
}

char *reason_exit_sentence_dup(Reason reason, gint64 exit_code)
{
    if (reason == REASON_EXIT_CODE)
        return g_strdup_printf("the container ended with exit code %" G_GINT64_FORMAT, exit_code);
    if (reason == REASON_KILLED && is_signal(exit_code))
        return g_strdup_printf("the container was killed by signal %" G_GINT64_FORMAT,
                               exit_code - EXIT_SIGNAL);
    return g_strdup(reason_sentence(reason));
}
