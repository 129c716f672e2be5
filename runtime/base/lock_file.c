#include "runtime/base/lock_file.h"

#include "runtime/base/file.h"
#include "runtime/base/text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define TEXT_BYTES 48u     // always as many, so that a shorter one leaves nothing of a longer
#define PAUSE_US   10000ll // between two tries for the lock of a process that is ending
#define TRIES      1000u

static void text_write(struct wr_environment *environment, int file)
{
    char text[TEXT_BYTES + 1];
    (void)snprintf(text, sizeof(text), "process %-10" PRIu32 " boot %-22" PRIu64 "\n",
                   environment->ops->process(environment), environment->ops->boot(environment));
    // Whether or not it can be written: the lock is what counts.
    (void)wr_file_write(environment, file, text, strlen(text), 0);
}

// "process 812", as far as the text is there and of this boot.
static char *holder_read(struct wr_environment *environment, int file, bool *is_ending)
{
    char          text[TEXT_BYTES + 1] = { 0 };
    const int64_t got     = environment->ops->read_at(environment, file, text, TEXT_BYTES, 0);
    const char   *at      = text;
    uint64_t      process = 0, boot = 0;
    bool          is_known = got > 0 && wr_text_take_word(&at, "process ") &&
                    wr_text_take_number(&at, UINT32_MAX, &process);
    at += strspn(at, " ");
    is_known = is_known && wr_text_take_word(&at, "boot ") &&
               wr_text_take_number(&at, UINT64_MAX, &boot) &&
               boot == environment->ops->boot(environment);
    *is_ending = is_known && environment->ops->is_ending(environment, (uint32_t)process);
    if (!is_known) {
        return wr_copy_text("another process");
    }
    return process == environment->ops->process(environment)
               ? wr_format("this process (%" PRIu64 ")", process)
               : wr_format("process %" PRIu64, process);
}

// A process that was killed keeps its locks until the kernel has taken its memory apart: who starts
// the next one at once waits for that, not for one that goes on. 0, -EWOULDBLOCK with the holder,
// else -errno.
static int lock_patiently(struct wr_environment *environment, int file, char **holder)
{
    int status = environment->ops->lock(environment, file);
    for (uint32_t tries = 1; status == -EWOULDBLOCK; tries++) {
        bool        is_ending = false;
        char *const name      = holder_read(environment, file, &is_ending);
        if (!is_ending || tries >= TRIES) {
            *holder = name;
            break;
        }
        wr_free(name);
        const uint32_t nobody_wakes = 0;
        environment->ops->wait_word(environment, &nobody_wakes, 0, PAUSE_US);
        status = environment->ops->lock(environment, file);
    }
    return status;
}

int wr_lock_file_take(struct wr_environment *environment, const char *path, int *file,
                      char **holder)
{
    *holder          = NULL;
    const int opened = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    if (opened < 0) {
        return opened;
    }
    const int status = lock_patiently(environment, opened, holder);
    if (status < 0) {
        environment->ops->close(environment, opened);
        return status;
    }
    text_write(environment, opened);
    *file = opened;
    return 0;
}
