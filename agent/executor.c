#include "executor.h"

#include <string.h>

static const Executor *const executors[] = {&executor_echo, &executor_command};

const Executor *executor_find(const char *name)
{
    for (size_t i = 0; i < sizeof executors / sizeof executors[0]; i++)
        if (strcmp(executors[i]->name, name) == 0)
            return executors[i];
    return NULL;
}
