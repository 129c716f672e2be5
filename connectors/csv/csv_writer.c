#include "connectors/csv/csv_writer.h"

#include "connectors/csv/csv_columns.h"
#include "connectors/text/text.h"
#include "runtime/base/base.h"

struct wr_csv_plan {
    struct wr_csv_columns columns;
    bool                 *is_nullable; // of each column
    char                  delimiter;
    bool                  has_retracted;
    char                 *header;
    size_t                header_bytes;
    size_t                fixed_bytes; // the bound without the strings' bytes
};

// ---- cells ----

static bool needs_quotes(const char *bytes, size_t length, char delimiter)
{
    return length > 0 &&
           (memchr(bytes, delimiter, length) != NULL || memchr(bytes, '"', length) != NULL ||
            memchr(bytes, '\n', length) != NULL || memchr(bytes, '\r', length) != NULL);
}

// Writes what is between the quotes, if there are any: at most 3 * length bytes.
static char *write_inner(const char *bytes, size_t length, bool is_quoted, char *to)
{
    static const char replacement[3] = { '\xef', '\xbf', '\xbd' }; // U+FFFD
    size_t            at             = 0;
    while (at < length) {
        const size_t step = wr_text_utf8_sequence(bytes + at, length - at);
        if (step == 0) {
            memcpy(to, replacement, sizeof(replacement));
            to += sizeof(replacement);
            at++;
            continue;
        }
        if (is_quoted && bytes[at] == '"') {
            *to++ = '"';
        }
        memcpy(to, bytes + at, step);
        to += step;
        at += step;
    }
    return to;
}

static char *write_string(const char *bytes, size_t length, char delimiter, char *to)
{
    const bool is_quoted = needs_quotes(bytes, length, delimiter);
    if (is_quoted) {
        *to++ = '"';
    }
    if (!is_quoted && wr_text_utf8_valid(bytes, length) == length) {
        memcpy(to, bytes, length);
        to += length;
    } else {
        to = write_inner(bytes, length, is_quoted, to);
    }
    if (is_quoted) {
        *to++ = '"';
    }
    return to;
}

#define LOAD(type, from) (*(const type *)memcpy(&(type){ 0 }, (from), sizeof(type)))

static size_t write_number(const struct wr_csv_column *column, bool is_nullable, const char *from,
                           char *to)
{
    switch ((int)column->kind) {
    case WEIR_KIND_I8: return wr_text_write_i64(LOAD(int8_t, from), to);
    case WEIR_KIND_I16: return wr_text_write_i64(LOAD(int16_t, from), to);
    case WEIR_KIND_I32: return wr_text_write_i64(LOAD(int32_t, from), to);
    case WEIR_KIND_I64: {
        const int64_t value = LOAD(int64_t, from);
        return value == INT64_MIN && is_nullable ? 0 : wr_text_write_i64(value, to);
    }
    case WEIR_KIND_U8: return wr_text_write_u64(LOAD(uint8_t, from), to);
    case WEIR_KIND_U16: return wr_text_write_u64(LOAD(uint16_t, from), to);
    case WEIR_KIND_U32: return wr_text_write_u64(LOAD(uint32_t, from), to);
    case WEIR_KIND_U64: return wr_text_write_u64(LOAD(uint64_t, from), to);
    case WEIR_KIND_F32: return wr_text_write_f32(LOAD(float, from), to);
    case WEIR_KIND_F64: return wr_text_write_f64(LOAD(double, from), to);
    default: return 0;
    }
}

static char *write_bool(bool is_true, char *to)
{
    const size_t length = is_true ? 4 : 5;
    memcpy(to, is_true ? "true" : "false", length);
    return to + length;
}

static char *write_cell(const struct wr_csv_plan *plan, uint32_t number, const void *record,
                        char *to)
{
    const struct wr_csv_column *const column = &plan->columns.at[number];
    const char *const                 from   = (const char *)record + column->offset;
    switch ((int)column->kind) {
    case WEIR_KIND_BOOL: return write_bool(*from != 0, to);
    case WEIR_KIND_TIME: {
        const weir_time time = LOAD(weir_time, from);
        return time == WEIR_TIME_MIN ? to : to + weir_time_format(time, to);
    }
    case WEIR_KIND_STR: {
        weir_str string;
        memcpy(&string, from, sizeof(string));
        return write_string(weir_str_bytes(&string), string.length, plan->delimiter, to);
    }
    case WEIR_KIND_CHARS:
        return write_string(from, strnlen(from, column->size), plan->delimiter, to);
    default: return to + write_number(column, plan->is_nullable[number], from, to);
    }
}

// The most bytes that a cell and its delimiter take, without a string's own.
static size_t cell_bound(const struct wr_csv_column *column)
{
    switch ((int)column->kind) {
    case WEIR_KIND_TIME: return WEIR_TIME_TEXT_MAX + 1;
    case WEIR_KIND_STR: return 3;
    case WEIR_KIND_CHARS: return 3 * (size_t)column->size + 3;
    default: return WR_TEXT_NUMBER_MAX + 1;
    }
}

// ---- plans ----

static bool is_listed(const struct wr_csv_plan_options *options, const char *name)
{
    for (uint32_t i = 0; i < options->nullable_count; i++) {
        if (strcmp(options->nullable[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void plan_header(struct wr_csv_plan *plan)
{
    size_t bound = sizeof("retracted\n");
    for (uint32_t i = 0; i < plan->columns.count; i++) {
        bound += 3 * strlen(plan->columns.at[i].name) + 3;
    }
    plan->header = wr_alloc(bound);
    char *at     = plan->header;
    for (uint32_t i = 0; i < plan->columns.count; i++) {
        const char *const name = plan->columns.at[i].name;
        at                     = write_string(name, strlen(name), plan->delimiter, at);
        *at++                  = plan->delimiter;
    }
    if (plan->has_retracted) {
        at = write_string("retracted", strlen("retracted"), plan->delimiter, at);
    } else if (at > plan->header) {
        at--;
    }
    *at++              = '\n';
    plan->header_bytes = (size_t)(at - plan->header);
}

struct wr_csv_plan *wr_csv_plan_open(const weir_type                  *type,
                                     const struct wr_csv_plan_options *options)
{
    static const struct wr_csv_plan_options none;
    options                        = options != NULL ? options : &none;
    struct wr_csv_plan *const plan = wr_alloc(sizeof(*plan));
    plan->columns                  = wr_csv_columns_of(type);
    plan->is_nullable              = wr_alloc(plan->columns.count * sizeof(bool));
    plan->delimiter                = (char)(options->delimiter != 0 ? options->delimiter : ',');
    plan->has_retracted            = options->has_retracted;
    plan->fixed_bytes              = sizeof("false\n");
    for (uint32_t i = 0; i < plan->columns.count; i++) {
        plan->is_nullable[i] = is_listed(options, plan->columns.at[i].name);
        plan->fixed_bytes += cell_bound(&plan->columns.at[i]);
    }
    plan_header(plan);
    return plan;
}

void wr_csv_plan_close(struct wr_csv_plan *plan)
{
    if (plan != NULL) {
        wr_csv_columns_fini(&plan->columns);
        wr_free(plan->is_nullable);
        wr_free(plan->header);
        wr_free(plan);
    }
}

const char *wr_csv_header(const struct wr_csv_plan *plan, size_t *length)
{
    *length = plan->header_bytes;
    return plan->header;
}

// ---- records ----

size_t wr_csv_bound(const struct wr_csv_plan *plan, const void *record)
{
    size_t bytes = plan->fixed_bytes;
    for (uint32_t i = 0; i < plan->columns.count; i++) {
        if (plan->columns.at[i].kind == WEIR_KIND_STR) {
            weir_str string;
            memcpy(&string, (const char *)record + plan->columns.at[i].offset, sizeof(string));
            bytes += 3 * (size_t)string.length;
        }
    }
    return bytes;
}

size_t wr_csv_write(const struct wr_csv_plan *plan, const void *record, bool is_retracted, char *to)
{
    char *at = to;
    for (uint32_t i = 0; i < plan->columns.count; i++) {
        at    = write_cell(plan, i, record, at);
        *at++ = plan->delimiter;
    }
    if (plan->has_retracted) {
        at = write_bool(is_retracted, at);
    } else if (at > to) {
        at--;
    }
    *at++ = '\n';
    return (size_t)(at - to);
}
