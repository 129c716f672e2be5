#include "runtime/run/until.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wr_until {
    bool                   has_common;
    struct wr_until_point  common; // of each partition that is not named
    char                 **names;
    struct wr_until_point *points; // of each name
    uint32_t               count;
};

// ---- reading ----

static bool read_offset(const char *text, uint64_t *offset)
{
    char *end = NULL;
    errno     = 0;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *offset = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *offset < UINT64_MAX;
}

static bool until_has(const struct wr_until *until, const char *name)
{
    for (uint32_t i = 0; i < until->count; i++) {
        if (strcmp(until->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void until_add(struct wr_until *until, const char *name, struct wr_until_point point)
{
    const uint32_t count = until->count + 1;
    until->names         = wr_realloc(until->names, count * sizeof(*until->names));
    until->points        = wr_realloc(until->points, count * sizeof(*until->points));

    until->names[until->count]  = wr_copy_text(name);
    until->points[until->count] = point;
    until->count                = count;
}

// Takes one point, whose text it changes. What is wrong with it, or NULL.
static const char *until_take(struct wr_until *until, char *text)
{
    struct wr_until_point point = { .offset = UINT64_MAX, .time = WEIR_TIME_MAX };
    char *const           at    = strrchr(text, '@');
    if (at == NULL ? !weir_time_parse(text, strlen(text), &point.time)
                   : !read_offset(at + 1, &point.offset)) {
        return at == NULL ? "it is neither a time, as 2026-03-01T10:02:00.123Z, nor an offset, as "
                            "@512 or events/0@512"
                          : "behind the @ there must be an offset, a whole number";
    }
    if (at != NULL && at != text) {
        *at = '\0';
        if (until_has(until, text)) {
            return "the partition is named twice";
        }
        until_add(until, text, point);
        return NULL;
    }
    if (until->has_common) {
        return "there is another one already that names no partition";
    }
    until->has_common = true;
    until->common     = point;
    return NULL;
}

struct wr_until *wr_until_open(const char *text, char **sentence)
{
    struct wr_until *until = wr_alloc(sizeof(*until));
    const char      *why   = NULL;
    for (const char *next = text; next != NULL && why == NULL;) {
        const char *const comma = strchr(next, ',');
        const size_t      bytes = comma != NULL ? (size_t)(comma - next) : strlen(next);
        char *const       point = wr_format("%.*s", (int)bytes, next);
        char *const       as_is = wr_copy_text(point);
        why                     = until_take(until, point);
        if (why != NULL) {
            *sentence = wr_format("until \"%s\": \"%s\": %s", text, as_is, why);
        }
        next = comma != NULL ? comma + 1 : NULL;
        wr_free(point);
        wr_free(as_is);
    }
    if (why != NULL) {
        wr_until_close(until);
        return NULL;
    }
    return until;
}

void wr_until_close(struct wr_until *until)
{
    if (until == NULL) {
        return;
    }
    for (uint32_t i = 0; i < until->count; i++) {
        wr_free(until->names[i]);
    }
    wr_free(until->names);
    wr_free(until->points);
    wr_free(until);
}

// ---- finding ----

bool wr_until_is_name(const char *name, const char *source, const char *partition)
{
    const size_t length = strlen(source);
    return strcmp(name, partition) == 0 ||
           (strncmp(name, source, length) == 0 && name[length] == '/' &&
            strcmp(name + length + 1, partition) == 0);
}

const char *wr_until_name(const struct wr_until *until, uint32_t i)
{
    return i < until->count ? until->names[i] : NULL;
}

bool wr_until_find(const struct wr_until *until, const char *source, const char *partition,
                   struct wr_until_point *point)
{
    for (uint32_t i = 0; i < until->count; i++) {
        if (wr_until_is_name(until->names[i], source, partition)) {
            *point = until->points[i];
            return true;
        }
    }
    *point = until->common;
    return until->has_common;
}
