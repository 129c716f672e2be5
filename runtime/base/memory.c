// Control-plane memory, and the end of the process when an invariant or memory is gone.
#include "runtime/base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void wr_assert_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "weir: %s:%d: this must hold and does not: %s\n", file, line, claim);
    abort();
}

// Memory that ran out is no bug of ours: a sentence and an exit code, no core dump.
_Noreturn static void memory_ran_out(size_t bytes)
{
    fprintf(stderr, "weir: memory ran out: %zu bytes could not be had; give the process more\n",
            bytes);
    _exit(weir_status_exit_code(WEIR_NO_MEMORY));
}

static void *memory_or_end(void *memory, size_t bytes)
{
    if (WR_UNLIKELY(memory == NULL)) {
        memory_ran_out(bytes);
    }
    return memory;
}

void *wr_alloc(size_t bytes) { return memory_or_end(calloc(1, bytes > 0 ? bytes : 1), bytes); }

void *wr_alloc_unset(size_t bytes, size_t to)
{
    WR_ASSERT(to > 0 && (to & (to - 1)) == 0);
    if (bytes > SIZE_MAX - to) {
        memory_ran_out(bytes);
    }
    return memory_or_end(aligned_alloc(to, wr_round_up(bytes > 0 ? bytes : 1, to)), bytes);
}

void *wr_alloc_aligned(size_t bytes, size_t to)
{
    void *const memory = wr_alloc_unset(bytes, to);
    return memset(memory, 0, wr_round_up(bytes > 0 ? bytes : 1, to));
}

void *wr_realloc(void *memory, size_t bytes)
{
    return memory_or_end(realloc(memory, bytes > 0 ? bytes : 1), bytes);
}

char *wr_format(const char *format, ...)
{
    char   *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return memory_or_end(length < 0 ? NULL : text, strlen(format));
}

char *wr_copy_text(const char *text)
{
    return text == NULL ? NULL : memory_or_end(strdup(text), strlen(text) + 1);
}

void wr_free(void *memory) { free(memory); }
