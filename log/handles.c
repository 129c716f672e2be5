// What is open of a log: its producers, readers and transactions. They point into it, so it is not
// closed under them.
#include "log/log.h"

#include <string.h>

#define NAMES_SHOWN 8u

static const struct {
    const char *one, *many, *of;
} words[] = { [WR_HANDLE_PRODUCER]    = { "producer", "producers", " of topic " },
              [WR_HANDLE_READER]      = { "reader", "readers", " of topic " },
              [WR_HANDLE_TRANSACTION] = { "transaction", "transactions", " " } };

void wr_handle_put(weir_log *log, struct wr_handle *handle, enum wr_handle_kind kind,
                   const char *name)
{
    (void)pthread_mutex_lock(&log->lock);
    *handle = (struct wr_handle){ .next = log->handles, .kind = kind, .name = name };
    if (handle->next != NULL) {
        handle->next->before = handle;
    }
    log->handles = handle;
    (void)pthread_mutex_unlock(&log->lock);
}

void wr_handle_take(weir_log *log, struct wr_handle *handle)
{
    if (handle->name == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&log->lock);
    if (handle->before != NULL) {
        handle->before->next = handle->next;
    } else {
        log->handles = handle->next;
    }
    if (handle->next != NULL) {
        handle->next->before = handle->before;
    }
    (void)pthread_mutex_unlock(&log->lock);
}

// Puts more behind a text (wr_alloc'ed).
static void text_add(char **text, const char *more)
{
    char *longer = wr_format("%s%s", *text, more);
    wr_free(*text);
    *text = longer;
}

// Whether the name is that of a handle of the kind before this one.
static bool is_named(const struct wr_handle *from, const struct wr_handle *to)
{
    while (from != to && (from->kind != to->kind || strcmp(from->name, to->name) != 0)) {
        from = from->next;
    }
    return from != to;
}

// "2 producers of topic a, b" (wr_alloc'ed); NULL: none of this kind is open.
static char *kind_text(const struct wr_handle *handles, enum wr_handle_kind kind)
{
    char    *names = wr_copy_text("");
    uint32_t count = 0, name_count = 0;
    for (const struct wr_handle *handle = handles; handle != NULL; handle = handle->next) {
        if (handle->kind == kind) {
            count++;
            if (!is_named(handles, handle) && name_count++ < NAMES_SHOWN) {
                text_add(&names, name_count > 1 ? ", " : "");
                text_add(&names, handle->name);
            }
        }
    }
    if (name_count > NAMES_SHOWN) {
        text_add(&names, ", ...");
    }
    char *text =
        count == 0 ? NULL
                   : wr_format("%u %s%s%s", count, count == 1 ? words[kind].one : words[kind].many,
                               words[kind].of, names);
    wr_free(names);
    return text;
}

weir_status wr_handles_check(weir_log *log)
{
    char *open = wr_copy_text("");
    (void)pthread_mutex_lock(&log->lock);
    const bool has_some = log->handles != NULL;
    for (uint32_t kind = 0; has_some && kind < WR_COUNT_OF(words); kind++) {
        char *text = kind_text(log->handles, (enum wr_handle_kind)kind);
        if (text != NULL) {
            text_add(&open, *open != 0 ? "; " : "");
            text_add(&open, text);
        }
        wr_free(text);
    }
    if (has_some) {
        (void)wr_log_fail(&log->error, WEIR_CONFLICT,
                          "log %s: it stays open, for what is open of it needs it: %s; close them "
                          "first",
                          log->directory, open);
    }
    (void)pthread_mutex_unlock(&log->lock);
    wr_free(open);
    return has_some ? WEIR_CONFLICT : WEIR_OK;
}
