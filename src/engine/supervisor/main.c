/* workspaced-supervisor: the small static program beside the sandbox engine.
 *
 * It keeps a container running when the server is away (supervise), is the first process inside it
 * until it becomes the wanted program (init), and brings further programs in (enter). The engine
 * writes its orders as records (run_file.h). */
#include "become.h"
#include "commands.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int init_main(void)
{
    Records records;
    bool is_read = records_read(&records, RUN_FD_RECORDS);

    (void)write_all(RUN_FD_FAILURE, (char[]){RUN_BEGUN}, 1);
    fcntl(RUN_FD_FAILURE, F_SETFD, FD_CLOEXEC);
    close(RUN_FD_RECORDS);
    (void)syscall(SYS_close_range, RUN_FD_FAILURE + 1, ~0U, 0);
    setsid();
    if (is_read)
        become_program(&records, RUN_FD_FAILURE);
    else
        say_failure(RUN_FD_FAILURE, "records");
    return RUN_EXIT_NOT_STARTED;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: workspaced-supervisor supervise FOLDER FD | enter | init\n"
                                "It is started by the server, not by hand.\n";

    if (argc == 4 && strcmp(argv[1], "supervise") == 0)
        return supervise_main(argv[2], atoi(argv[3]));
    if (argc == 2 && strcmp(argv[1], "enter") == 0)
        return enter_main();
    if (argc == 2 && strcmp(argv[1], "init") == 0)
        return init_main();
    if (argc == 2 && strcmp(argv[1], "probe") == 0) /* can a program be run in a sandbox here? */
        return 0;
    (void)write_all(STDERR_FILENO, usage, sizeof usage - 1);
    return 2;
}
