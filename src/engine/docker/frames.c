#include "engine/docker/frames.h"

#include <string.h>

#define STREAM_INPUT  0 /* never sent by daemons, but in their vocabulary: taken as output */
#define STREAM_SYSTEM 3 /* an error of the daemon in the middle of a stream */

DockerFrames docker_frames_start(DockerFramePiece piece, void *data)
{
    return (DockerFrames){.piece = piece, .data = data};
}

static gboolean read_header(DockerFrames *frames)
{
    const guint8 *header = frames->header;

    if (header[0] > STREAM_SYSTEM || header[1] || header[2] || header[3])
        return FALSE;
    frames->stream = header[0] == STREAM_INPUT || header[0] == DOCKER_STREAM_OUTPUT
                         ? DOCKER_STREAM_OUTPUT
                         : DOCKER_STREAM_ERRORS;
    frames->payload_left =
        (guint64)header[4] << 24 | (guint64)header[5] << 16 | (guint64)header[6] << 8 | header[7];
    return TRUE;
}

/* Moves header bytes in. FALSE when it is complete and no header. */
static gboolean take_header(DockerFrames *frames, const char **bytes, gsize *length)
{
    gsize taken = MIN(sizeof frames->header - frames->header_length, *length);

    memcpy(frames->header + frames->header_length, *bytes, taken);
    frames->header_length += (guint)taken;
    *bytes += taken;
    *length -= taken;
    if (frames->header_length < sizeof frames->header)
        return TRUE;
    if (!read_header(frames))
        return FALSE;
    if (frames->payload_left == 0) /* an empty frame is complete already */
        frames->header_length = 0;
    return TRUE;
}

DockerFramesResult docker_frames_push(DockerFrames *frames, const char *bytes, gsize length)
{
    while (length > 0) {
        if (frames->payload_left == 0) {
            if (!take_header(frames, &bytes, &length))
                return DOCKER_FRAMES_BROKEN;
            continue;
        }
        gsize piece = (gsize)MIN(frames->payload_left, length);
        if (!frames->piece(frames->stream, bytes, piece, frames->data))
            return DOCKER_FRAMES_STOPPED;
        frames->payload_left -= piece;
        if (frames->payload_left == 0)
            frames->header_length = 0;
        bytes += piece;
        length -= piece;
    }
    return DOCKER_FRAMES_OK;
}

gboolean docker_frames_at_border(const DockerFrames *frames)
{
    return frames->header_length == 0 && frames->payload_left == 0;
}
