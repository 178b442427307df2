/* A connection to the daemon taken over for raw bytes: what an exec's streams travel on.
 * Private to engine/docker. Thread: one at a time. Source: spec 02, 8.13 and 8.14 (101 or 200 after
 * an upgrade). */
#pragma once

#include "engine/docker/transport.h"

typedef struct _DockerPipe DockerPipe;

/* Sends `request` with an upgrade (its sink, idle and cancel do not count). TRUE: there is an
 * answer; with `*pipe` set the connection carries raw bytes from now on, with NULL the daemon
 * refused and `answer` says how. Errors: as docker_transport_call. */
gboolean docker_pipe_open(DockerTransport *transport, const DockerRequest *request,
                          DockerPipe **pipe, DockerAnswer *answer, GError **error);

typedef enum { DOCKER_PIPE_DATA, DOCKER_PIPE_WAIT, DOCKER_PIPE_END } DockerPipeResult;
/* Neither waits. WAIT: poll the descriptor. END: the other side closed or broke it. */
DockerPipeResult docker_pipe_receive(DockerPipe *pipe, void *buffer, gsize size, gsize *received);
DockerPipeResult docker_pipe_send(DockerPipe *pipe, const void *bytes, gsize length, gsize *sent);
void docker_pipe_end_input(DockerPipe *pipe); /* the program reads end of file */
int docker_pipe_fd(DockerPipe *pipe); /* for poll; carries the raw bytes itself unless TLS */
gboolean docker_pipe_is_tls(DockerPipe *pipe);
void docker_pipe_free(DockerPipe *pipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerPipe, docker_pipe_free)
