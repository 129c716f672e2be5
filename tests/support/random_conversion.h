// Random types that others may be read as, and what rows of one are as rows of the other, field by
// field: a reference for conversions.
#ifndef RANDOM_CONVERSION_H
#define RANDOM_CONVERSION_H

#include "tests/support/random_schema.h"

// All that an integer kind can hold.
static inline bool kind_range(weir_kind kind, int64_t *least, uint64_t *greatest)
{
    switch (kind) {
    case WEIR_KIND_I8:
        *least    = INT8_MIN;
        *greatest = INT8_MAX;
        return true;
    case WEIR_KIND_I16:
        *least    = INT16_MIN;
        *greatest = INT16_MAX;
        return true;
    case WEIR_KIND_I32:
        *least    = INT32_MIN;
        *greatest = INT32_MAX;
        return true;
    case WEIR_KIND_I64:
        *least    = INT64_MIN;
        *greatest = INT64_MAX;
        return true;
    case WEIR_KIND_U8:
        *least    = 0;
        *greatest = UINT8_MAX;
        return true;
    case WEIR_KIND_U16:
        *least    = 0;
        *greatest = UINT16_MAX;
        return true;
    case WEIR_KIND_U32:
        *least    = 0;
        *greatest = UINT32_MAX;
        return true;
    case WEIR_KIND_U64:
        *least    = 0;
        *greatest = UINT64_MAX;
        return true;
    default: return false;
    }
}

// What is stored of a field: that of its name, or of the one it had (one only, in these types).
static inline const weir_field *stored_field(const weir_type *from, const weir_field *wanted)
{
    const weir_field *former = NULL;
    for (uint32_t i = 0; i < from->field_count; i++) {
        if (strcmp(from->fields[i].name, wanted->name) == 0) {
            return &from->fields[i];
        }
        if (wanted->formerly != NULL && strcmp(from->fields[i].name, wanted->formerly) == 0) {
            former = &from->fields[i];
        }
    }
    return former;
}

static inline bool record_fits(const weir_type *from, const weir_type *to);

static inline bool field_fits(const weir_field *from, const weir_field *to)
{
    int64_t  least[2];
    uint64_t greatest[2];
    if (from->count != to->count) {
        return false;
    }
    if (kind_range(from->kind, &least[0], &greatest[0])) {
        if (kind_range(to->kind, &least[1], &greatest[1])) {
            return least[1] <= least[0] && greatest[1] >= greatest[0];
        }
        return (to->kind == WEIR_KIND_F64 && greatest[0] <= UINT32_MAX) ||
               (to->kind == WEIR_KIND_TIME && from->kind == WEIR_KIND_I64);
    }
    switch ((int)from->kind) {
    case WEIR_KIND_BOOL:
        return to->kind == WEIR_KIND_BOOL || kind_range(to->kind, &least[1], &greatest[1]);
    case WEIR_KIND_F32: return to->kind == WEIR_KIND_F32 || to->kind == WEIR_KIND_F64;
    case WEIR_KIND_TIME: return to->kind == WEIR_KIND_TIME || to->kind == WEIR_KIND_I64;
    case WEIR_KIND_CHARS:
        return to->kind == WEIR_KIND_STR || (to->kind == WEIR_KIND_CHARS && to->size >= from->size);
    case WEIR_KIND_RECORD:
        return to->kind == WEIR_KIND_RECORD && record_fits(from->record, to->record);
    default: return from->kind == to->kind;
    }
}

static inline bool record_fits(const weir_type *from, const weir_type *to)
{
    for (uint32_t i = 0; i < to->field_count; i++) {
        const weir_field *stored = stored_field(from, &to->fields[i]);
        if (stored != NULL && !field_fits(stored, &to->fields[i])) {
            return false;
        }
    }
    return true;
}

struct value {
    int64_t  integer;
    uint64_t natural; // where `integer` is negative or too small: the same bits
    double   real;
};

static inline struct value value_read(weir_kind kind, const char *from)
{
    struct value value = { 0, 0, 0 };
    switch ((int)kind) {
#define READ_INTEGER(KIND, TYPE)                                                                   \
    case KIND: {                                                                                   \
        TYPE read;                                                                                 \
        memcpy(&read, from, sizeof(read));                                                         \
        value.integer = (int64_t)read;                                                             \
        break;                                                                                     \
    }
        READ_INTEGER(WEIR_KIND_BOOL, uint8_t)
        READ_INTEGER(WEIR_KIND_I8, int8_t)
        READ_INTEGER(WEIR_KIND_I16, int16_t)
        READ_INTEGER(WEIR_KIND_I32, int32_t)
        READ_INTEGER(WEIR_KIND_I64, int64_t)
        READ_INTEGER(WEIR_KIND_TIME, int64_t)
        READ_INTEGER(WEIR_KIND_U8, uint8_t)
        READ_INTEGER(WEIR_KIND_U16, uint16_t)
        READ_INTEGER(WEIR_KIND_U32, uint32_t)
        READ_INTEGER(WEIR_KIND_U64, uint64_t)
#undef READ_INTEGER
    case WEIR_KIND_F32: {
        float read;
        memcpy(&read, from, sizeof(read));
        value.real = (double)read;
        return value;
    }
    default: memcpy(&value.real, from, sizeof(value.real)); return value;
    }
    value.natural = (uint64_t)value.integer;
    value.real    = (double)value.integer;
    return value;
}

// Whether an element was converted rightly.
static inline bool element_is_right(const weir_field *stored, const char *from,
                                    const weir_field *wanted, const char *to)
{
    if (stored->kind == WEIR_KIND_CHARS) {
        const size_t length = strnlen(from, stored->size);
        if (wanted->kind == WEIR_KIND_CHARS) {
            return strnlen(to, wanted->size) == length && memcmp(from, to, length) == 0;
        }
        const weir_str *const string = (const void *)to;
        return string->length == length && memcmp(weir_str_bytes(string), from, length) == 0;
    }
    if (stored->kind == WEIR_KIND_STR) {
        return weir_str_equal((const void *)from, (const void *)to);
    }
    if (stored->kind == wanted->kind) {
        return memcmp(from, to, schema_bytes[stored->kind]) == 0;
    }
    const struct value left  = value_read(stored->kind, from);
    const struct value right = value_read(wanted->kind, to);
    if (wanted->kind == WEIR_KIND_F64) {
        return !(left.real < right.real) && !(left.real > right.real);
    }
    return left.natural == right.natural;
}

static inline bool is_zero(const char *bytes, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && bytes[i] == 0) {
        i++;
    }
    return i == count;
}

// The field of the reader's row that is wrong, or NULL. Bytes between its fields must be zero.
static inline const char *wrong_field(const weir_type *from, const char *stored_row,
                                      const weir_type *to, const char *row)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < to->field_count; i++) {
        const weir_field *const wanted   = &to->fields[i];
        const weir_field *const stored   = stored_field(from, wanted);
        const char *const       at       = row + wanted->offset;
        bool                    is_right = is_zero(row + end, wanted->offset - end);
        end                              = wanted->offset + wanted->size;
        if (stored == NULL) {
            is_right = is_right && is_zero(at, wanted->size);
        } else if (wanted->kind == WEIR_KIND_RECORD) {
            is_right = is_right && wrong_field(stored->record, stored_row + stored->offset,
                                               wanted->record, at) == NULL;
        } else {
            for (uint32_t j = 0; j < wanted->count; j++) {
                is_right =
                    is_right && element_is_right(stored,
                                                 stored_row + stored->offset +
                                                     j * (stored->size / stored->count),
                                                 wanted, at + j * (wanted->size / wanted->count));
            }
        }
        if (!is_right) {
            return wanted->name;
        }
    }
    return is_zero(row + end, to->size - end) ? NULL : "behind the last";
}

static inline weir_kind kind_near(struct trial_random *random, weir_kind kind)
{
    static const weir_kind integers[] = { WEIR_KIND_I8,  WEIR_KIND_I16, WEIR_KIND_I32,
                                          WEIR_KIND_I64, WEIR_KIND_U8,  WEIR_KIND_U16,
                                          WEIR_KIND_U32, WEIR_KIND_U64, WEIR_KIND_F64,
                                          WEIR_KIND_TIME };
    switch ((int)kind) {
    case WEIR_KIND_F32: return WEIR_KIND_F64;
    case WEIR_KIND_CHARS: return trial_one_in(random, 2) ? WEIR_KIND_STR : WEIR_KIND_CHARS;
    case WEIR_KIND_TIME: return WEIR_KIND_I64;
    case WEIR_KIND_STR:
    case WEIR_KIND_F64: return kind;
    case WEIR_KIND_I8:
    case WEIR_KIND_U8: return integers[trial_below(random, 9)];
    case WEIR_KIND_I64: return trial_one_in(random, 2) ? WEIR_KIND_TIME : WEIR_KIND_I64;
    case WEIR_KIND_U64: return kind;
    default: return integers[trial_below(random, 10)];
    }
}

// The name that a field has once it is renamed.
static inline const char *new_name(const char *name)
{
    static const char *const names[][2] = {
        { "a", "a2" },         { "b", "b2" },  { "c_", "c2" },  { "_d", "d2" },
        { "e5", "e2" },        { "f0", "f2" }, { "g7", "g2" },  { "h_h_h", "h2" },
        { "i", "i2" },         { "j", "j2" },  { "at", "at2" }, { "amount", "amount2" },
        { "added", "added2" },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        if (strcmp(names[i][0], name) == 0) {
            return names[i][1];
        }
    }
    return name;
}

// A field like that one: the same, or of a kind that it may be read as; and now and then renamed.
static inline const weir_type *relative_of(struct schema_arena *arena, struct trial_random *random,
                                           const weir_type *type);

static inline void field_relative(struct schema_arena *arena, struct trial_random *random,
                                  const weir_field *of, weir_field *field)
{
    *field = *of;
    if (trial_one_in(random, 5)) {
        field->name     = new_name(of->name);
        field->formerly = of->name;
    }
    if (of->kind == WEIR_KIND_RECORD) {
        field->record = relative_of(arena, random, of->record);
        field->size   = field->record->size;
        return;
    }
    if (trial_one_in(random, 2)) {
        field->kind = kind_near(random, of->kind);
        if (trial_one_in(random, 60) && of->kind != WEIR_KIND_CHARS) {
            field->kind = (weir_kind)(1 + trial_below(random, WEIR_KIND_STR));
        }
    }
    if (field->kind == WEIR_KIND_CHARS) {
        field->size += trial_one_in(random, 40) ? 0 : trial_below(random, 10);
        field->size -= trial_one_in(random, 40) && field->size > 1 ? 1 : 0;
    } else {
        field->count += trial_one_in(random, 150);
        field->size = schema_bytes[field->kind] * field->count;
    }
}

static inline const weir_type *relative_of(struct schema_arena *arena, struct trial_random *random,
                                           const weir_type *type)
{
    struct schema_type *const made = schema_take(arena);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!trial_one_in(random, 6)) {
            field_relative(arena, random, &type->fields[i],
                           &made->fields[made->type.field_count++]);
        }
    }
    for (uint32_t i = 0; i < made->type.field_count && trial_one_in(random, 2); i++) {
        const uint32_t   other   = trial_below(random, made->type.field_count);
        const weir_field swapped = made->fields[i];
        made->fields[i]          = made->fields[other];
        made->fields[other]      = swapped;
    }
    if (made->type.field_count == 0 ||
        (made->type.field_count < SCHEMA_FIELDS_MAX && trial_one_in(random, 4))) {
        weir_field *const added = &made->fields[made->type.field_count++];
        added->name             = "added";
        schema_random_field(arena, random, 0, added);
    }
    schema_lay_out(made, random);
    return &made->type;
}

#endif // RANDOM_CONVERSION_H
