/* Any bytes as the daemon's multiplexed stream. However they are cut, the same pieces must come
 * out, and no byte twice. */
#include "engine/docker/frames.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean keep(DockerStream stream, const char *bytes, gsize length, void *data)
{
    GString *seen = data;

    g_assert(stream == DOCKER_STREAM_OUTPUT || stream == DOCKER_STREAM_ERRORS);
    g_assert(length > 0);
    for (gsize i = 0; i < length; i++) {
        g_string_append_c(seen, (char)stream);
        g_string_append_c(seen, bytes[i]);
    }
    return TRUE;
}

static DockerFramesResult push_cut(const char *bytes, gsize length, gsize step, GString *seen,
                                   gboolean *at_border)
{
    DockerFrames frames = docker_frames_start(keep, seen);
    DockerFramesResult result = DOCKER_FRAMES_OK;

    for (gsize at = 0; at < length && result == DOCKER_FRAMES_OK; at += step) {
        /* A copy of its own size, so that a sanitizer sees a read past the piece. */
        gsize piece = MIN(step, length - at);
        g_autofree char *copy = g_memdup2(bytes + at, piece);
        result = docker_frames_push(&frames, copy, piece);
    }
    *at_border = docker_frames_at_border(&frames);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const gsize steps[] = {1, 3, 8, 4096};
    g_autoptr(GString) whole = g_string_new(NULL);
    gboolean whole_at_border = FALSE;
    DockerFramesResult whole_result =
        push_cut((const char *)data, size, MAX(size, 1), whole, &whole_at_border);

    g_assert(whole->len <= 2 * size);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        gboolean at_border = FALSE;
        g_assert(push_cut((const char *)data, size, steps[i], seen, &at_border) == whole_result);
        g_assert(g_string_equal(seen, whole));
        g_assert(whole_result != DOCKER_FRAMES_OK || at_border == whole_at_border);
    }
    return 0;
}
