#include "runtime/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

weir_status wr_error_set(struct wr_error *error, weir_status status, const char *sentence, ...)
{
    WR_ASSERT(status != WEIR_OK && sentence != NULL);
    va_list arguments, again;
    va_start(arguments, sentence);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, sentence, again);
    va_end(again);
    WR_ASSERT(length >= 0);
    char *const made = wr_alloc((size_t)length + 1);
    (void)vsnprintf(made, (size_t)length + 1, sentence, arguments);
    va_end(arguments);
    wr_free(error->sentence);
    *error = (struct wr_error){ status, made };
    return status;
}

void wr_error_fini(struct wr_error *error)
{
    wr_free(error->sentence);
    *error = (struct wr_error){ .status = WEIR_OK };
}

weir_status wr_error_hand_out(struct wr_error *error, char **sentence)
{
    const weir_status status = error->status;
    if (sentence != NULL) {
        *sentence = error->sentence != NULL ? strdup(error->sentence) : NULL;
    }
    wr_error_fini(error);
    return status;
}

weir_status wr_error_status(int io_error)
{
    switch (io_error < 0 ? -io_error : io_error) {
    case 0: return WEIR_OK;
    case ENOSPC:
    case EDQUOT: return WEIR_FULL;
    case ENOENT: return WEIR_NOT_FOUND;
    case EIO: return WEIR_DISK_FAILED;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return WEIR_NO_MEMORY;
    default: return WEIR_UNREACHABLE;
    }
}
