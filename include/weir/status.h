// weir/status.h: how calls that can fail answer.
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#include <weir/api.h>

// One list: code, name, exit code of the commands, sentence. The codes are fixed for ever.
#define WEIR_STATUS_LIST(X)                                                                        \
    X(0, OK, 0, "done")                                                                            \
    X(1, FAILED, 1, "the job failed while it ran")                                                 \
    X(2, USAGE, 2, "the call or the command line is wrong")                                        \
    X(3, UNREACHABLE, 3, "a file, directory or server could not be reached")                       \
    X(4, NOT_FOUND, 4, "what was asked for does not exist")                                        \
    X(5, CONFLICT, 5, "somebody else holds it, or it is already there")                            \
    X(6, TIMED_OUT, 6, "it took longer than allowed")                                              \
    X(7, NO_MEMORY, 1, "memory ran out")                                                           \
    X(8, INTERRUPTED, 130, "stopped by a signal")                                                  \
    X(9, AT_END, 0, "there is no more")                                                            \
    X(10, DAMAGED, 7, "what is stored is not what was written")                                    \
    X(11, FULL, 8, "there is no room on the disk")                                                 \
    X(12, DISK_FAILED, 9, "the disk failed; what was not acknowledged may be lost")                \
    X(13, FENCED, 10, "a later one has taken over")                                                \
    X(14, MISMATCH, 11, "the types do not fit")

typedef enum weir_status {
#define WEIR_STATUS_ENUM(code, name, exit_code, sentence) WEIR_##name = code,
    WEIR_STATUS_LIST(WEIR_STATUS_ENUM)
#undef WEIR_STATUS_ENUM
} weir_status;

WEIR_BEGIN

// The status's name ("NOT_FOUND") and its sentence; static strings.
WEIR_API const char *weir_status_name(weir_status status);
WEIR_API const char *weir_status_sentence(weir_status status);
// The exit code a command ends with for this status.
WEIR_API int weir_status_exit_code(weir_status status);

WEIR_END

#endif // WEIR_STATUS_H
