/* Takes apart the daemon's multiplexed streams (logs, exec without a terminal).
 *
 * A frame is 8 bytes (stream 0..3, three zeros, big-endian length) and its payload. Frames may be
 * cut anywhere by the network and claim up to 4 GiB; nothing is buffered but the header: payload is
 * handed on piece by piece. Private to engine/docker. Thread: one. Source: spec 02, 8.13. */
#pragma once

#include <glib.h>

typedef enum { DOCKER_STREAM_OUTPUT = 1, DOCKER_STREAM_ERRORS = 2 } DockerStream;

/* A piece of payload. FALSE: no more wanted. */
typedef gboolean (*DockerFramePiece)(DockerStream stream, const char *bytes, gsize length,
                                     void *data);

typedef struct {
    DockerFramePiece piece;
    void *data;
    guint8 header[8];
    guint header_length; /* bytes of the header that are here */
    guint64 payload_left;
    DockerStream stream; /* of the payload under way */
} DockerFrames;

DockerFrames docker_frames_start(DockerFramePiece piece, void *data);

typedef enum {
    DOCKER_FRAMES_OK,
    DOCKER_FRAMES_STOPPED, /* `piece` wanted no more */
    DOCKER_FRAMES_BROKEN,  /* not a frame */
} DockerFramesResult;
DockerFramesResult docker_frames_push(DockerFrames *frames, const char *bytes, gsize length);

/* Whether the stream may end here: between two frames. */
gboolean docker_frames_at_border(const DockerFrames *frames);
