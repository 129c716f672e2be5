#include "connectors/options/options.h"

#include <stdio.h>
#include <string.h>

// ---- nearest name ----

#define NAME_MAX_BYTES 64

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// How many letters have to be put in, taken out or changed to make `a` of `b` (Wagner and Fischer,
// one row of the table at a time).
static uint32_t edit_distance(const char *a, const char *b)
{
    uint32_t     row[NAME_MAX_BYTES + 1];
    const size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > NAME_MAX_BYTES || b_length > NAME_MAX_BYTES) {
        return UINT32_MAX;
    }
    for (uint32_t k = 0; k <= b_length; k++) {
        row[k] = k;
    }
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t diagonal = row[0];
        row[0]            = i;
        for (uint32_t k = 1; k <= b_length; k++) {
            const uint32_t changed = diagonal + (a[i - 1] == b[k - 1] ? 0 : 1);
            diagonal               = row[k];
            row[k]                 = least(changed, least(row[k - 1], row[k]) + 1);
        }
    }
    return row[b_length];
}

const char *wr_options_nearest(const char *wrong, const weir_type *type)
{
    const char *nearest  = NULL;
    uint32_t    distance = (uint32_t)strlen(wrong) / 3 + 1; // further is another word
    for (uint32_t i = 0; i < type->field_count; i++) {
        const uint32_t found = edit_distance(wrong, type->fields[i].name);
        if (found <= distance && (nearest == NULL || found < distance)) {
            nearest  = type->fields[i].name;
            distance = found;
        }
    }
    return nearest;
}

// ---- event time ----

static bool refuse_field(weir_job *job, const char *name, const weir_type *type, const char *field)
{
    const weir_field *found = weir_type_field(type, field);
    if (found != NULL) {
        wr_job_refuse(job, "%s: field \"%s\" of %s is %s%s; event time has to be a weir_time", name,
                      field, type->name, found->count > 1 ? "an array of " : "of kind ",
                      weir_kind_name(found->kind));
        return false;
    }
    const char *nearest = wr_options_nearest(field, type);
    if (nearest != NULL) {
        wr_job_refuse(job, "%s: field \"%s\" is not in %s; did you mean \"%s\"?", name, field,
                      type->name, nearest);
    } else {
        wr_job_refuse(job, "%s: field \"%s\" is not in %s; name one of its weir_time fields", name,
                      field, type->name);
    }
    return false;
}

static bool check_span(weir_job *job, const char *name, const char *option, weir_time span)
{
    if (span < 0) {
        wr_job_refuse(job, "%s: %s is %lld us, but must not be negative", name, option, span);
    }
    return span >= 0;
}

bool wr_options_check_time(weir_job *job, const char *name, const weir_type *type,
                           const weir_event_time_options *time)
{
    if (!check_span(job, name, "out_of_order", time->out_of_order) ||
        !check_span(job, name, "lateness", time->lateness) ||
        !check_span(job, name, "idle_after", time->idle_after)) {
        return false;
    }
    if (time->field == NULL) {
        if (time->judges_lateness || time->watermark != NULL) {
            wr_job_refuse(
                job, "%s: %s needs event time; name the weir_time field of %s in time.field", name,
                time->judges_lateness ? "judging lateness" : "a watermark function", type->name);
            return false;
        }
        return true;
    }
    const weir_field *field = weir_type_field(type, time->field);
    if (field == NULL || field->kind != WEIR_KIND_TIME || field->count != 1) {
        return refuse_field(job, name, type, time->field);
    }
    return true;
}

weir_event_time_options wr_options_copy_time(const weir_event_time_options *time)
{
    weir_event_time_options copy = *time;
    copy.field                   = wr_copy_text(time->field);
    return copy;
}

void wr_options_free_time(weir_event_time_options *time)
{
    wr_free((char *)(uintptr_t)time->field);
    time->field = NULL;
}

// ---- names ----

const char *wr_options_path_name(const char *path, const char *standard)
{
    if (strcmp(path, "-") == 0) {
        return standard;
    }
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}
