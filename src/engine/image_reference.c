#include "engine/image_reference.h"

#include <string.h>

const char *image_reference_find_tag(const char *image)
{
    const char *digest = strchr(image, '@');
    const char *slash = strrchr(image, '/');

    return digest ? digest : strchr(slash ? slash : image, ':');
}

/* The length of "registry/", 0 without one. */
static gsize registry_length(const char *image)
{
    const char *slash = strchr(image, '/');
    g_autofree char *first = slash ? g_strndup(image, (gsize)(slash - image)) : NULL;

    if (first && (strpbrk(first, ".:") || strcmp(first, "localhost") == 0))
        return strlen(first) + 1;
    return 0;
}

char *image_reference_registry_dup(const char *image)
{
    gsize length = registry_length(image);

    return length ? g_strndup(image, length - 1) : g_strdup(IMAGE_HUB_REGISTRY);
}

char *image_reference_repository_dup(const char *image)
{
    const char *tag = image_reference_find_tag(image);
    gsize begin = registry_length(image);
    gsize end = tag ? (gsize)(tag - image) : strlen(image);

    return g_strndup(image + begin, end > begin ? end - begin : 0);
}

char *image_reference_tag_dup(const char *image)
{
    const char *tag = image_reference_find_tag(image);

    return g_strdup(tag ? tag + 1 : "latest");
}
