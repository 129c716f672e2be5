#include "connectors/lines/lines.h"

#include "runtime/base/base.h"

#include <string.h>

static size_t find_newline(void *state, const char *bytes, size_t length)
{
    (void)state;
    const char *const found = memchr(bytes, '\n', length);
    return found != NULL ? (size_t)(found - bytes) : length;
}

void wr_lines_init(struct wr_lines *lines, const struct wr_lines_options *options)
{
    *lines = (struct wr_lines){
        .lines_before = options->lines_before,
        .offset       = options->offset,
        .max_line_bytes =
            options->max_line_bytes != 0 ? options->max_line_bytes : WR_LINES_MAX_BYTES,
        .find       = options->find != NULL ? options->find : find_newline,
        .find_state = options->find_state,
    };
    WR_ASSERT(lines->max_line_bytes >= WR_LINES_KEPT_BYTES);
}

void wr_lines_fini(struct wr_lines *lines)
{
    wr_free(lines->carries[0].bytes);
    wr_free(lines->carries[1].bytes);
    *lines = (struct wr_lines){ 0 };
}

void wr_lines_feed(struct wr_lines *lines, const char *bytes, size_t length)
{
    WR_ASSERT(lines->fed_bytes == 0 && !lines->is_ended);
    lines->fed       = bytes;
    lines->fed_bytes = length;
}

void wr_lines_end(struct wr_lines *lines)
{
    WR_ASSERT(lines->fed_bytes == 0);
    lines->is_ended = true;
}

// Appends to the carry; grows by doubling, so that it stays within twice the longest line kept.
static void carry_append(struct wr_lines_carry *carry, size_t used, const char *bytes,
                         size_t length)
{
    const size_t needed = used + length + WR_LINES_PADDING;
    if (needed > carry->capacity) {
        size_t capacity = carry->capacity != 0 ? carry->capacity : (size_t)2 * WR_LINES_KEPT_BYTES;
        while (capacity < needed) {
            capacity *= 2;
        }
        carry->bytes    = wr_realloc(carry->bytes, capacity);
        carry->capacity = capacity;
    }
    memcpy(carry->bytes + used, bytes, length);
    memset(carry->bytes + used + length, 0, WR_LINES_PADDING);
}

// Adds bytes to the line under way, and keeps of them what is to be kept.
static void lines_carry(struct wr_lines *lines, const char *bytes, size_t length)
{
    if (length == 0) {
        return;
    }
    lines->line_bytes += length;
    const bool   is_too_long = lines->line_bytes > lines->max_line_bytes;
    const size_t room        = is_too_long ? WR_LINES_KEPT_BYTES : lines->max_line_bytes;
    if (lines->carried_bytes >= room) {
        lines->carried_bytes = room;
        return;
    }
    const size_t missing = room - lines->carried_bytes;
    const size_t added   = length < missing ? length : missing;
    carry_append(&lines->carries[lines->current], lines->carried_bytes, bytes, added);
    lines->carried_bytes += added;
}

// Hands out the line under way, which lies at `bytes`.
static void lines_give(struct wr_lines *lines, const char *bytes, bool is_ended,
                       struct wr_line *line)
{
    const bool is_too_long = lines->line_bytes > lines->max_line_bytes;
    lines->lines_before++;
    *line = (struct wr_line){
        .bytes       = bytes,
        .length      = lines->line_bytes,
        .kept_bytes  = is_too_long ? WR_LINES_KEPT_BYTES : lines->line_bytes,
        .number      = lines->lines_before,
        .offset      = lines->offset,
        .is_too_long = is_too_long,
        .is_ended    = is_ended,
    };
    lines->offset += lines->line_bytes + (is_ended ? 1 : 0);
    lines->line_bytes = 0;
}

// Hands out the line under way from the carry, and takes the other one for the line after it.
static void lines_give_carried(struct wr_lines *lines, bool is_ended, struct wr_line *line)
{
    lines_give(lines, lines->carries[lines->current].bytes, is_ended, line);
    lines->current       = 1 - lines->current;
    lines->carried_bytes = 0;
}

bool wr_lines_next(struct wr_lines *lines, struct wr_line *line)
{
    if (lines->fed_bytes == 0) {
        if (!lines->is_ended || lines->line_bytes == 0) {
            return false;
        }
        lines_give_carried(lines, false, line);
        return true;
    }

    const char *const bytes = lines->fed;
    const size_t      found = lines->find(lines->find_state, bytes, lines->fed_bytes);
    if (found == lines->fed_bytes) {
        lines_carry(lines, bytes, found);
        lines->fed_bytes = 0;
        return false;
    }
    lines->fed += found + 1;
    lines->fed_bytes -= found + 1;
    if (lines->line_bytes == 0) {
        lines->line_bytes = found;
        lines_give(lines, bytes, true, line);
    } else {
        lines_carry(lines, bytes, found);
        lines_give_carried(lines, true, line);
    }
    return true;
}
