/* Sentences as daemons say them (Docker 20.10 to 28, Podman 4 and 5), and what they mean. */
#include "engine/docker/reason.h"

typedef struct {
    const char *text;
    Reason reason;
} Case;

static void check(const Case *cases, guint count, Reason (*meaning)(const char *text))
{
    for (guint i = 0; i < count; i++) {
        g_test_message("%s", cases[i].text ? cases[i].text : "(none)");
        g_assert_cmpstr(reason_word(meaning(cases[i].text)), ==, reason_word(cases[i].reason));
    }
}

static void test_refusals(void)
{
    static const Case cases[] = {
        {NULL, REASON_NONE},
        {"", REASON_NONE},
        {"something else", REASON_NONE},
        {"OCI runtime create failed: container_linux.go:380: starting container process caused: "
         "exec: \"/nope\": stat /nope: no such file or directory: unknown",
         REASON_NONE}, /* the exit code that Docker leaves decides */
        {"failed to create task for container: OCI runtime create failed: exec: \"nope\": "
         "executable file not found in $PATH: unknown",
         REASON_COMMAND_NOT_FOUND},
        {"crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime "
         "attempted to invoke a command that was not found",
         REASON_COMMAND_NOT_FOUND},
        {"No command specified", REASON_COMMAND_NOT_FOUND},
        {"exec /agent: Exec format error", REASON_COMMAND_NOT_EXECUTABLE},
        {"invalid mount config for type \"bind\": bind source path does not exist: /srv/none",
         REASON_MOUNT_REFUSED},
        {"error mounting \"/etc/x\" to rootfs at \"/x\": not a directory: unknown: Are you trying "
         "to mount a directory onto a file (or vice-versa)?",
         REASON_MOUNT_REFUSED},
        {"driver failed programming external connectivity on endpoint ws: Bind for "
         "127.0.0.1:8000 failed: port is already allocated",
         REASON_PORT_UNAVAILABLE},
        {"listen tcp4 127.0.0.1:80: bind: address already in use", REASON_PORT_UNAVAILABLE},
        {"listen tcp4 10.9.8.7:80: bind: cannot assign requested address", REASON_PORT_UNAVAILABLE},
        {"mkdir /var/lib/docker/overlay2/x: no space left on device", REASON_DISK_FULL},
        {"error mounting volume: write /x: No space left on device", REASON_DISK_FULL},
        {"open /x: disk quota exceeded", REASON_DISK_FULL},
    };

    check(cases, G_N_ELEMENTS(cases), docker_reason_of_text);
}

static void test_pulls(void)
{
    static const Case cases[] = {
        {NULL, REASON_NONE},
        {"manifest unknown", REASON_NONE}, /* docker/image.c knows the registries' own words */
        {"Get \"https://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
         REASON_REGISTRY_UNREACHABLE},
        {"Get \"https://none.example/v2/\": dial tcp: lookup none.example: no such host",
         REASON_REGISTRY_UNREACHABLE},
        {"Get \"https://x/v2/\": net/http: request canceled (Client.Timeout exceeded while "
         "awaiting headers)",
         REASON_REGISTRY_UNREACHABLE},
        {"Get \"https://x/v2/\": net/http: TLS handshake timeout", REASON_REGISTRY_UNREACHABLE},
        {"failed to register layer: write /usr/bin/x: no space left on device", REASON_DISK_FULL},
        {"filesystem layer verification failed for digest sha256:0", REASON_NONE},
    };

    check(cases, G_N_ELEMENTS(cases), docker_reason_of_pull);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/reasons/refusals", test_refusals);
    g_test_add_func("/engine/reasons/pulls", test_pulls);
    return g_test_run();
}
