// Rows of one type as rows of another: a list of steps, each of which copies or changes one stretch
// of a row. Steps come in the order of the fields they write; copies that touch each other, in both
// rows, are one.
//
// Rows are converted a block at a time and step by step, so that a step's loop is short and the
// block stays in the nearest cache.
#include "runtime/base/conversion.h"

#include <stdio.h>

#define BLOCK_BYTES 8192u // of rows that are converted together

enum action { COPY, INTEGER, INTEGER_TO_F64, F32_TO_F64, BOOL_TO_INTEGER, CHARS_TO_STR };

struct step {
    enum action action;
    weir_kind   from_kind, to_kind; // of INTEGER and the like
    uint32_t    from, to;           // offsets
    uint32_t    count;              // bytes of COPY, CHARS_TO_STR; else elements
};

struct wr_conversion {
    struct step *steps;
    uint32_t     step_count, capacity;
    uint32_t     from_size, to_size;
    bool         is_identity;
    bool         has_gaps; // bytes that no step writes
};

// ---- integers ----

struct integer {
    bool     is_signed;
    uint32_t bytes; // 0: not an integer
};

static struct integer integer_of(weir_kind kind)
{
    switch (kind) {
    case WEIR_KIND_I8: return (struct integer){ true, 1 };
    case WEIR_KIND_I16: return (struct integer){ true, 2 };
    case WEIR_KIND_I32: return (struct integer){ true, 4 };
    case WEIR_KIND_I64: return (struct integer){ true, 8 };
    case WEIR_KIND_U8: return (struct integer){ false, 1 };
    case WEIR_KIND_U16: return (struct integer){ false, 2 };
    case WEIR_KIND_U32: return (struct integer){ false, 4 };
    case WEIR_KIND_U64: return (struct integer){ false, 8 };
    default: return (struct integer){ false, 0 };
    }
}

// The value as 64 bits, widened by its sign.
static uint64_t integer_load(weir_kind kind, const char *from)
{
    switch (kind) {
    case WEIR_KIND_I8: return (uint64_t)(int64_t)(int8_t)*from;
    case WEIR_KIND_U8: return (uint8_t)*from;
    case WEIR_KIND_I16: {
        int16_t value;
        memcpy(&value, from, 2);
        return (uint64_t)(int64_t)value;
    }
    case WEIR_KIND_U16: {
        uint16_t value;
        memcpy(&value, from, 2);
        return value;
    }
    case WEIR_KIND_I32: {
        int32_t value;
        memcpy(&value, from, 4);
        return (uint64_t)(int64_t)value;
    }
    case WEIR_KIND_U32: {
        uint32_t value;
        memcpy(&value, from, 4);
        return value;
    }
    default: {
        uint64_t value;
        memcpy(&value, from, 8);
        return value;
    }
    }
}

// ---- planning ----

// What has to be done to an element, or false if it cannot be.
static bool action_of(const weir_field *from, const weir_field *to, enum action *action)
{
    const struct integer left  = integer_of(from->kind);
    const struct integer right = integer_of(to->kind);
    *action                    = COPY;
    if (from->kind == to->kind) {
        return from->kind != WEIR_KIND_CHARS || from->size <= to->size;
    }
    switch (from->kind) {
    case WEIR_KIND_BOOL: *action = BOOL_TO_INTEGER; return right.bytes > 0;
    case WEIR_KIND_F32: *action = F32_TO_F64; return to->kind == WEIR_KIND_F64;
    case WEIR_KIND_TIME: return to->kind == WEIR_KIND_I64;
    case WEIR_KIND_CHARS: *action = CHARS_TO_STR; return to->kind == WEIR_KIND_STR;
    default: break;
    }
    if (to->kind == WEIR_KIND_TIME) {
        return from->kind == WEIR_KIND_I64;
    }
    if (to->kind == WEIR_KIND_F64) {
        *action = INTEGER_TO_F64;
        return left.bytes > 0 && left.bytes <= 4;
    }
    *action = INTEGER;
    return left.bytes > 0 && left.bytes < right.bytes && (right.is_signed || !left.is_signed);
}

static void steps_add(struct wr_conversion *conversion, const struct step *step)
{
    struct step *last =
        conversion->step_count > 0 ? &conversion->steps[conversion->step_count - 1] : NULL;
    if (last != NULL && last->action == COPY && step->action == COPY &&
        last->from + last->count == step->from && last->to + last->count == step->to) {
        last->count += step->count;
        return;
    }
    if (conversion->step_count == conversion->capacity) {
        conversion->capacity = conversion->capacity * 2 + 8;
        conversion->steps =
            wr_realloc(conversion->steps, conversion->capacity * sizeof(*conversion->steps));
    }
    conversion->steps[conversion->step_count++] = *step;
}

// "i32", "i32[4]", "chars[8]"
static void field_describe(const weir_field *field, char *text, size_t room)
{
    const uint32_t count = field->kind == WEIR_KIND_CHARS ? field->size : field->count;
    if (field->kind == WEIR_KIND_CHARS || count > 1) {
        snprintf(text, room, "%s[%u]", weir_kind_name(field->kind), count);
    } else {
        snprintf(text, room, "%s", weir_kind_name(field->kind));
    }
}

static char *field_error(const char *path, const weir_field *from, const weir_field *to)
{
    char stored[32], wanted[32];
    field_describe(from, stored, sizeof(stored));
    field_describe(to, wanted, sizeof(wanted));
    return wr_format("field %s%s is stored as %s and cannot be read as %s; read it as %s, or as a "
                     "type that holds all its values",
                     path, to->name, stored, wanted, stored);
}

static char *plan_record(struct wr_conversion *conversion, const weir_type *from,
                         const weir_type *to, uint32_t from_base, uint32_t to_base,
                         const char *path);

static char *plan_nested(struct wr_conversion *conversion, const weir_field *from,
                         const weir_field *to, uint32_t from_base, uint32_t to_base,
                         const char *path)
{
    char *const inner = wr_format("%s%s.", path, to->name);
    char *const error = plan_record(conversion, from->record, to->record, from_base + from->offset,
                                    to_base + to->offset, inner);
    wr_free(inner);
    return error;
}

static char *plan_field(struct wr_conversion *conversion, const weir_field *from,
                        const weir_field *to, uint32_t from_base, uint32_t to_base,
                        const char *path)
{
    enum action action;
    if (from->count != to->count || !action_of(from, to, &action)) {
        return field_error(path, from, to);
    }
    if (to->kind == WEIR_KIND_RECORD) {
        return plan_nested(conversion, from, to, from_base, to_base, path);
    }
    const bool is_bytes = action == COPY || action == CHARS_TO_STR;
    steps_add(conversion, &(struct step){ .action    = action,
                                          .from_kind = from->kind,
                                          .to_kind   = to->kind,
                                          .from      = from_base + from->offset,
                                          .to        = to_base + to->offset,
                                          .count     = is_bytes ? from->size : from->count });
    return NULL;
}

// Adds the steps for a record that lies `from_base` and `to_base` bytes into the rows. Returns what
// cannot be, or NULL.
static char *plan_record(struct wr_conversion *conversion, const weir_type *from,
                         const weir_type *to, uint32_t from_base, uint32_t to_base,
                         const char *path)
{
    const weir_field **takers = wr_alloc((from->field_count + 1) * sizeof(const weir_field *));
    char              *error  = NULL;
    for (uint32_t i = 0; i < to->field_count && error == NULL; i++) {
        const weir_field *wanted = &to->fields[i];
        const weir_field *stored = wr_field_before(from, wanted);
        if (stored == NULL) {
            continue;
        }
        const weir_field **taker = &takers[stored - from->fields];
        if (*taker != NULL) {
            error = wr_format("fields %s%s and %s are both what is stored as %s; a field that "
                              "takes the name another one had needs a name of its own for a while",
                              path, (*taker)->name, wanted->name, stored->name);
            break;
        }
        *taker = wanted;
        error  = plan_field(conversion, stored, wanted, from_base, to_base, path);
    }
    wr_free((void *)takers);
    return error;
}

static uint32_t field_bytes(const weir_type *type)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        bytes += field->kind == WEIR_KIND_RECORD ? field_bytes(field->record) : field->size;
    }
    return bytes;
}

// Every field is where it was, and none is passed over; none is new, or where it is zeros lie.
static bool plan_is_identity(const struct wr_conversion *conversion, const weir_type *from,
                             const weir_type *to, enum wr_gaps gaps)
{
    uint32_t copied = 0;
    for (uint32_t i = 0; i < conversion->step_count; i++) {
        const struct step *step = &conversion->steps[i];
        if (step->action != COPY || step->from != step->to) {
            return false;
        }
        copied += step->count;
    }
    return from->size == to->size && to->align <= from->align && copied == field_bytes(from) &&
           (gaps == WR_GAPS_ZERO || copied == field_bytes(to));
}

static uint32_t step_written(const struct step *step)
{
    switch (step->action) {
    case COPY: return step->count;
    case CHARS_TO_STR: return (uint32_t)sizeof(weir_str);
    case INTEGER_TO_F64:
    case F32_TO_F64: return step->count * 8;
    default: return step->count * integer_of(step->to_kind).bytes;
    }
}

static bool plan_has_gaps(const struct wr_conversion *conversion)
{
    uint64_t written = 0;
    for (uint32_t i = 0; i < conversion->step_count; i++) {
        written += step_written(&conversion->steps[i]);
    }
    return written < conversion->to_size;
}

struct wr_conversion *wr_conversion_open(const weir_type *from, const weir_type *to,
                                         enum wr_gaps gaps, char **error)
{
    struct wr_conversion *conversion = wr_alloc(sizeof(*conversion));
    conversion->from_size            = from->size;
    conversion->to_size              = to->size;
    *error                           = plan_record(conversion, from, to, 0, 0, "");
    if (*error != NULL) {
        wr_conversion_close(conversion);
        return NULL;
    }
    conversion->is_identity = plan_is_identity(conversion, from, to, gaps);
    conversion->has_gaps    = plan_has_gaps(conversion);
    return conversion;
}

void wr_conversion_close(struct wr_conversion *conversion)
{
    if (conversion != NULL) {
        wr_free(conversion->steps);
        wr_free(conversion);
    }
}

bool wr_conversion_is_identity(const struct wr_conversion *conversion)
{
    return conversion->is_identity;
}

// ---- running ----

static void change_integers(const struct step *step, const char *from, char *to)
{
    const uint32_t left  = integer_of(step->from_kind).bytes;
    const uint32_t right = integer_of(step->to_kind).bytes;
    for (uint32_t i = 0; i < step->count; i++) {
        const uint64_t value = integer_load(step->from_kind, from + i * left);
        memcpy(to + i * right, &value, right);
    }
}

static void change_integers_to_f64(const struct step *step, const char *from, char *to)
{
    const uint32_t left = integer_of(step->from_kind).bytes;
    for (uint32_t i = 0; i < step->count; i++) {
        const double value = (double)(int64_t)integer_load(step->from_kind, from + i * left);
        memcpy(to + i * 8, &value, 8);
    }
}

static void change_f32_to_f64(const struct step *step, const char *from, char *to)
{
    for (uint32_t i = 0; i < step->count; i++) {
        float value;
        memcpy(&value, from + i * 4, 4);
        const double wide = (double)value;
        memcpy(to + i * 8, &wide, 8);
    }
}

static void change_bools(const struct step *step, const char *from, char *to)
{
    const uint32_t right = integer_of(step->to_kind).bytes;
    for (uint32_t i = 0; i < step->count; i++) {
        const uint64_t value = from[i] != 0;
        memcpy(to + i * right, &value, right);
    }
}

static void change_chars(const struct step *step, const char *from, char *to)
{
    const weir_str string = weir_str_of(from, strnlen(from, step->count));
    memcpy(to, &string, sizeof(string));
}

static void step_run(const struct step *step, const char *from, char *to)
{
    switch (step->action) {
    case COPY: memcpy(to, from, step->count); break;
    case INTEGER: change_integers(step, from, to); break;
    case INTEGER_TO_F64: change_integers_to_f64(step, from, to); break;
    case F32_TO_F64: change_f32_to_f64(step, from, to); break;
    case BOOL_TO_INTEGER: change_bools(step, from, to); break;
    case CHARS_TO_STR: change_chars(step, from, to); break;
    }
}

static void block_run(const struct wr_conversion *conversion, const char *from, char *to,
                      size_t count)
{
    if (conversion->has_gaps) {
        memset(to, 0, count * conversion->to_size);
    }
    for (uint32_t i = 0; i < conversion->step_count; i++) {
        const struct step *step = &conversion->steps[i];
        for (size_t row = 0; row < count; row++) {
            step_run(step, from + row * conversion->from_size + step->from,
                     to + row * conversion->to_size + step->to);
        }
    }
}

void wr_conversion_run(const struct wr_conversion *conversion, const void *from, void *to,
                       size_t count)
{
    const char *const rows = from;
    char *const       made = to;
    if (conversion->is_identity) {
        memcpy(made, rows, count * conversion->to_size);
        return;
    }
    const uint32_t larger =
        conversion->from_size > conversion->to_size ? conversion->from_size : conversion->to_size;
    const size_t block = larger < BLOCK_BYTES ? BLOCK_BYTES / larger : 1;
    for (size_t at = 0; at < count; at += block) {
        block_run(conversion, rows + at * conversion->from_size, made + at * conversion->to_size,
                  count - at < block ? count - at : block);
    }
}
