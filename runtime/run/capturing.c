// A task's part in checkpoints.
#include "runtime/run/run.h"

void wr_task_mark(struct wr_task *task) { (void)task; }

bool wr_task_may_end(struct wr_task *task)
{
    (void)task;
    return true;
}

void wr_task_complete(struct wr_task *task, uint64_t checkpoint)
{
    (void)task;
    (void)checkpoint;
}
