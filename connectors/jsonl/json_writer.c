// A plan is the record type made flat: a list of steps, each the text that comes before a value and
// the value. Nested records are nothing but text before and behind.

#include "connectors/jsonl/json_writer.h"

#include "connectors/text/text.h"
#include "runtime/base/base.h"

#define RETRACTED "\"retracted\":true"

// Texts are copied in pieces of this size; what is written too much is overwritten by what follows.
#define PIECE 16

struct step {
    uint32_t  text; // where in the plan's texts: `{"a":`, `,"b":`, `},"c":{"d":`, ...
    uint32_t  text_bytes;
    weir_kind kind;
    bool      is_nullable;
    uint32_t  offset;
    uint32_t  count;
    uint32_t  element_bytes;
};

struct wr_json_plan {
    struct step *steps;
    uint32_t     step_count;
    uint32_t     step_capacity;

    char    *texts;
    uint32_t texts_bytes;
    uint32_t texts_capacity; // PIECE more than are used
    uint32_t text;           // where the text behind the last value starts: `}`, `}}`
    bool     is_empty;       // the type has no field at all

    size_t fixed_bytes; // the bound without the strings' bytes
};

// ---- strings ----

// The second byte of a short escape; 'u' for the others; 0 for what is written as it is. Bytes from
// 0x80 are looked at by the caller.
static const char escapes[128] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
    'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

#define EACH_BYTE(byte) (0x0101010101010101u * (byte))

// Whether one of eight bytes is a control character, a quote, a backslash or not ASCII.
static bool needs_care(uint64_t eight)
{
    const uint64_t quotes      = eight ^ EACH_BYTE('"');
    const uint64_t backslashes = eight ^ EACH_BYTE('\\');
    const uint64_t found =
        eight | (eight - EACH_BYTE(0x20)) | (quotes - EACH_BYTE(1)) | (backslashes - EACH_BYTE(1));
    return (found & EACH_BYTE(0x80)) != 0;
}

static char *put(const char *text, size_t length, char *to)
{
    memcpy(to, text, length);
    return to + length;
}

// Writes a literal without its NUL.
#define PUT(literal, to) put("" literal, sizeof(literal) - 1, to)

static char *write_escape(unsigned char byte, char *to)
{
    static const char hex[] = "0123456789abcdef";
    *to++                   = '\\';
    *to++                   = escapes[byte];
    if (escapes[byte] == 'u') {
        to    = PUT("00", to);
        *to++ = hex[byte >> 4];
        *to++ = hex[byte & 15];
    }
    return to;
}

// Writes one character that is not ASCII, or U+FFFD for a byte of none; *used is how many it took.
static char *write_wide(const char *bytes, size_t length, char *to, size_t *used)
{
    const size_t valid = wr_text_utf8_sequence(bytes, length);
    *used              = valid != 0 ? valid : 1;
    memcpy(to, valid != 0 ? bytes : "\xef\xbf\xbd", valid != 0 ? valid : 3);
    return to + (valid != 0 ? valid : 3);
}

// Writes a string in quotes; touches at most 6 * length + 2 + PIECE bytes.
static char *write_string(const char *bytes, size_t length, char *to)
{
    const char *const end = bytes + length;
    *to++                 = '"';
    while (bytes < end) {
        uint64_t eight;
        if (end - bytes >= 8) {
            memcpy(&eight, bytes, 8);
            if (!needs_care(eight)) {
                memcpy(to, &eight, 8);
                bytes += 8;
                to += 8;
                continue;
            }
        }
        const unsigned char byte = (unsigned char)*bytes;
        size_t              used = 1;
        if (byte >= 0x80) {
            to = write_wide(bytes, (size_t)(end - bytes), to, &used);
        } else if (escapes[byte] != 0) {
            to = write_escape(byte, to);
        } else {
            *to++ = (char)byte;
        }
        bytes += used;
    }
    *to++ = '"';
    return to;
}

// ---- values ----

static char *write_time(weir_time time, char *to)
{
    if (time == WEIR_TIME_MIN) {
        return PUT("null", to);
    }
    *to                 = '"';
    const size_t length = weir_time_format(time, to + 1);
    to[length + 1]      = '"';
    return to + length + 2;
}

static char *write_float(size_t length, char *to)
{
    return length != 0 ? to + length : PUT("null", to);
}

#define LOAD(type, from) (*(const type *)memcpy(&(type){ 0 }, (from), sizeof(type)))

static char *write_value(const struct step *step, const char *from, char *to)
{
    switch (step->kind) {
    case WEIR_KIND_BOOL: return *from != 0 ? PUT("true", to) : PUT("false", to);
    case WEIR_KIND_I8: return to + wr_text_write_i64(LOAD(int8_t, from), to);
    case WEIR_KIND_I16: return to + wr_text_write_i64(LOAD(int16_t, from), to);
    case WEIR_KIND_I32: return to + wr_text_write_i64(LOAD(int32_t, from), to);
    case WEIR_KIND_I64: {
        const int64_t value = LOAD(int64_t, from);
        return value == INT64_MIN && step->is_nullable ? PUT("null", to)
                                                       : to + wr_text_write_i64(value, to);
    }
    case WEIR_KIND_U8: return to + wr_text_write_u64(LOAD(uint8_t, from), to);
    case WEIR_KIND_U16: return to + wr_text_write_u64(LOAD(uint16_t, from), to);
    case WEIR_KIND_U32: return to + wr_text_write_u64(LOAD(uint32_t, from), to);
    case WEIR_KIND_U64: return to + wr_text_write_u64(LOAD(uint64_t, from), to);
    case WEIR_KIND_F32: return write_float(wr_text_write_f32(LOAD(float, from), to), to);
    case WEIR_KIND_F64: return write_float(wr_text_write_f64(LOAD(double, from), to), to);
    case WEIR_KIND_TIME: return write_time(LOAD(weir_time, from), to);
    case WEIR_KIND_STR: {
        weir_str string;
        memcpy(&string, from, sizeof(string));
        return write_string(weir_str_bytes(&string), string.length, to);
    }
    case WEIR_KIND_CHARS: return write_string(from, strnlen(from, step->element_bytes), to);
    case WEIR_KIND_RECORD: break;
    }
    return to;
}

// The most bytes that one value takes, without a string's own.
static size_t value_bound(const struct step *step)
{
    switch ((int)step->kind) {
    case WEIR_KIND_TIME: return WEIR_TIME_TEXT_MAX + 2;
    case WEIR_KIND_STR: return 2;
    case WEIR_KIND_CHARS: return 6 * (size_t)step->element_bytes + 2;
    default: return WR_TEXT_NUMBER_MAX;
    }
}

// ---- plans ----

static void plan_text(struct wr_json_plan *plan, const char *text, size_t length)
{
    const size_t needed = plan->texts_bytes + length + PIECE;
    if (needed > plan->texts_capacity) {
        plan->texts_capacity = (uint32_t)(needed * 2);
        plan->texts          = wr_realloc(plan->texts, plan->texts_capacity);
    }
    memcpy(plan->texts + plan->texts_bytes, text, length);
    plan->texts_bytes += (uint32_t)length;
}

static void plan_name(struct wr_json_plan *plan, const char *name)
{
    const size_t length = strlen(name);
    char *const  text   = wr_alloc(6 * length + 2 + PIECE);
    plan_text(plan, text, (size_t)(write_string(name, length, text) - text));
    plan_text(plan, ":", 1);
    wr_free(text);
}

// Ends the text under way with a value.
static void plan_value(struct wr_json_plan *plan, struct step step)
{
    if (plan->step_count == plan->step_capacity) {
        plan->step_capacity = plan->step_capacity * 2 + 8;
        plan->steps         = wr_realloc(plan->steps, plan->step_capacity * sizeof(step));
    }
    step.text       = plan->text;
    step.text_bytes = plan->texts_bytes - plan->text;
    plan->text      = plan->texts_bytes;
    plan->fixed_bytes += step.count * (value_bound(&step) + 1) + 1;
    plan->steps[plan->step_count++] = step;
}

static bool is_nullable(const struct wr_json_plan_options *options, const char *path)
{
    for (uint32_t i = 0; options != NULL && i < options->nullable_count; i++) {
        if (strcmp(options->nullable[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void plan_record(struct wr_json_plan *plan, const weir_type *type, uint32_t offset,
                        const char *outer, const struct wr_json_plan_options *options)
{
    plan_text(plan, "{", 1);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *const field = &type->fields[i];
        char *const path = wr_format("%s%s%s", outer, *outer != 0 ? "." : "", field->name);
        plan_text(plan, ",", i > 0 ? 1 : 0);
        plan_name(plan, field->name);
        if (field->kind == WEIR_KIND_RECORD) {
            plan_record(plan, field->record, offset + field->offset, path, options);
        } else {
            const uint32_t count = field->count > 1 ? field->count : 1;
            plan_value(plan, (struct step){
                                 .kind          = field->kind,
                                 .is_nullable   = is_nullable(options, path),
                                 .offset        = offset + field->offset,
                                 .count         = count,
                                 .element_bytes = field->size / count,
                             });
        }
        wr_free(path);
    }
    plan_text(plan, "}", 1);
}

struct wr_json_plan *wr_json_plan_open(const weir_type                   *type,
                                       const struct wr_json_plan_options *options)
{
    struct wr_json_plan *const plan = wr_alloc(sizeof(*plan));
    plan->is_empty                  = type->field_count == 0;
    plan_record(plan, type, 0, "", options);
    plan->fixed_bytes += plan->texts_bytes + sizeof("," RETRACTED "\n") + 2 * (size_t)PIECE;
    return plan;
}

void wr_json_plan_close(struct wr_json_plan *plan)
{
    if (plan != NULL) {
        wr_free(plan->steps);
        wr_free(plan->texts);
        wr_free(plan);
    }
}

// ---- lines ----

size_t wr_json_bound(const struct wr_json_plan *plan, const void *record)
{
    size_t bytes = plan->fixed_bytes;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *const step = &plan->steps[i];
        for (uint32_t j = 0; step->kind == WEIR_KIND_STR && j < step->count; j++) {
            weir_str string;
            memcpy(&string, (const char *)record + step->offset + j * sizeof(string),
                   sizeof(string));
            bytes += 6 * (size_t)string.length;
        }
    }
    return bytes;
}

// Both the text and the room behind `to` go on for PIECE bytes more.
static char *write_text(const struct wr_json_plan *plan, uint32_t text, size_t length, char *to)
{
    const char *const from = plan->texts + text;
    for (size_t at = 0; at < length; at += PIECE) {
        memcpy(to + at, from + at, PIECE);
    }
    return to + length;
}

static char *write_array(const struct step *step, const char *from, char *to)
{
    *to++ = '[';
    for (uint32_t i = 0; i < step->count; i++) {
        if (i > 0) {
            *to++ = ',';
        }
        to = write_value(step, from + (size_t)i * step->element_bytes, to);
    }
    *to++ = ']';
    return to;
}

size_t wr_json_write(const struct wr_json_plan *plan, const void *record, bool is_retracted,
                     char *to)
{
    char *at = to;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *const step = &plan->steps[i];
        const char *const        from = (const char *)record + step->offset;
        at                            = write_text(plan, step->text, step->text_bytes, at);
        at = step->count > 1 ? write_array(step, from, at) : write_value(step, from, at);
    }
    at = write_text(plan, plan->text, plan->texts_bytes - plan->text, at);
    if (is_retracted) {
        // In the place of the last bracket.
        at = plan->is_empty ? PUT(RETRACTED "}", at - 1) : PUT("," RETRACTED "}", at - 1);
    }
    *at++ = '\n';
    return (size_t)(at - to);
}
