/* Runs a fuzz target once over every file of the folders and files it is given. */
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    /* An exact copy, so that a sanitizer sees a read past the end. */
    g_autofree uint8_t *exact = g_memdup2(bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
}

int main(int argc, char **argv)
{
    guint files = 0;

    for (int i = 1; i < argc; i++) {
        g_autoptr(GDir) folder = g_dir_open(argv[i], 0, NULL);
        const char *name;
        if (!folder) {
            replay_file(argv[i]);
            files++;
            continue;
        }
        while ((name = g_dir_read_name(folder))) {
            g_autofree char *path = g_build_filename(argv[i], name, NULL);
            replay_file(path);
            files++;
        }
    }
    g_print("%u inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
