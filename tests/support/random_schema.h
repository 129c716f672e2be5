// Random types with names that a schema may have, of any alignment and with gaps, and random rows
// of them; for tests of the log's formats.
#ifndef RANDOM_SCHEMA_H
#define RANDOM_SCHEMA_H

#include "runtime/base/base.h"
#include "tests/support/trial.h"
#include <weir/record.h>

#define SCHEMA_FIELDS_MAX 10
#define SCHEMA_TYPES_MAX  64 // nested in one type
#define SCHEMA_DEPTH      3

struct schema_type {
    weir_type  type;
    weir_field fields[SCHEMA_FIELDS_MAX];
};

// Where the types of one random type lie, and the strings of its rows.
struct schema_arena {
    struct schema_type types[SCHEMA_TYPES_MAX];
    uint32_t           type_count;
    char               texts[1 << 16];
    size_t             texts_bytes;
};

static const char *const schema_names[] = { "a",  "b",     "c_", "_d", "e5",     "f0",
                                            "g7", "h_h_h", "i",  "j",  "amount", "at" };

static const uint8_t schema_bytes[] = {
    [WEIR_KIND_BOOL] = 1, [WEIR_KIND_I8] = 1,   [WEIR_KIND_I16] = 2, [WEIR_KIND_I32] = 4,
    [WEIR_KIND_I64] = 8,  [WEIR_KIND_U8] = 1,   [WEIR_KIND_U16] = 2, [WEIR_KIND_U32] = 4,
    [WEIR_KIND_U64] = 8,  [WEIR_KIND_F32] = 4,  [WEIR_KIND_F64] = 8, [WEIR_KIND_TIME] = 8,
    [WEIR_KIND_STR] = 16, [WEIR_KIND_CHARS] = 1
};

static inline uint32_t schema_align(const weir_field *field)
{
    return field->kind == WEIR_KIND_RECORD ? field->record->align
           : field->kind == WEIR_KIND_STR  ? 8
                                           : schema_bytes[field->kind];
}

// Lays the fields out in order, now and then with a gap; sets the type's size and alignment.
static inline void schema_lay_out(struct schema_type *made, struct trial_random *random)
{
    const bool has_gaps = trial_one_in(random, 2);
    uint32_t   end      = 0;
    uint32_t   align    = 1;
    for (uint32_t i = 0; i < made->type.field_count; i++) {
        weir_field *const field = &made->fields[i];
        const uint32_t    own   = schema_align(field);
        end += has_gaps && trial_one_in(random, 4) ? trial_below(random, 20) : 0;
        field->offset = (uint32_t)wr_round_up(end, own);
        end           = field->offset + field->size;
        align         = own > align ? own : align;
    }
    align            = trial_one_in(random, 20) ? align * 8 : align;
    made->type.align = align;
    made->type.size  = (uint32_t)wr_round_up(end, align);
}

static inline const weir_type *schema_random(struct schema_arena *arena,
                                             struct trial_random *random, uint32_t depth);

static inline void schema_random_field(struct schema_arena *arena, struct trial_random *random,
                                       uint32_t depth, weir_field *field)
{
    const bool may_nest = depth > 0 && arena->type_count + depth < SCHEMA_TYPES_MAX;
    field->kind =
        (weir_kind)(1 + trial_below(random, may_nest ? WEIR_KIND_RECORD : WEIR_KIND_CHARS));
    field->count    = 1;
    field->record   = NULL;
    field->formerly = NULL;
    if (field->kind == WEIR_KIND_RECORD) {
        field->record = schema_random(arena, random, depth - 1);
        field->size   = field->record->size;
    } else if (field->kind == WEIR_KIND_CHARS) {
        field->size = 1 + trial_below(random, 40);
    } else {
        field->count = trial_one_in(random, 4) ? 1 + trial_below(random, 5) : 1;
        field->size  = schema_bytes[field->kind] * field->count;
    }
}

static inline struct schema_type *schema_take(struct schema_arena *arena)
{
    TRIAL_CHECK(arena->type_count < SCHEMA_TYPES_MAX, "%u types", arena->type_count);
    struct schema_type *made = &arena->types[arena->type_count++];
    made->type               = (weir_type){ "random", made->fields, 0, 0, 0 };
    return made;
}

// A type of one to ten fields, nested `depth` deep at most. It lives as long as the arena's
// content.
static inline const weir_type *schema_random(struct schema_arena *arena,
                                             struct trial_random *random, uint32_t depth)
{
    struct schema_type *made  = schema_take(arena);
    const uint32_t      first = trial_below(random, WR_COUNT_OF(schema_names));
    made->type.field_count    = 1 + trial_below(random, depth == SCHEMA_DEPTH ? 10 : 4);
    for (uint32_t i = 0; i < made->type.field_count; i++) {
        made->fields[i].name = schema_names[(first + i) % WR_COUNT_OF(schema_names)];
        schema_random_field(arena, random, depth, &made->fields[i]);
    }
    schema_lay_out(made, random);
    return &made->type;
}

// ---- rows ----

static inline void schema_random_element(struct schema_arena *arena, const weir_field *field,
                                         struct trial_random *random, char *to)
{
    const uint64_t bits =
        trial_next(random) >> (trial_one_in(random, 2) ? trial_below(random, 64) : 0);
    if (field->kind == WEIR_KIND_STR) {
        const uint32_t most   = trial_one_in(random, 20) ? 400 : trial_one_in(random, 2) ? 40 : 13;
        const uint32_t length = trial_below(random, most + 1);
        TRIAL_CHECK(arena->texts_bytes + length <= sizeof(arena->texts), "no room for strings");
        char *const text = arena->texts + arena->texts_bytes;
        for (uint32_t i = 0; i < length; i++) {
            text[i] = (char)('a' + trial_below(random, 4));
        }
        const weir_str string = weir_str_of(text, length);
        memcpy(to, &string, sizeof(string));
        arena->texts_bytes += length;
    } else if (field->kind == WEIR_KIND_CHARS) {
        memset(to, 0, field->size);
        memset(to, 'x', trial_below(random, field->size + 1));
    } else if (field->kind == WEIR_KIND_BOOL) {
        *to = (char)(bits & 1);
    } else if (field->kind == WEIR_KIND_F32) {
        const float value = (float)(int32_t)bits / 8;
        memcpy(to, &value, sizeof(value));
    } else {
        memcpy(to, &bits, schema_bytes[field->kind]);
    }
}

static inline void schema_random_fields(struct schema_arena *arena, const weir_type *type,
                                        struct trial_random *random, char *row)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *const field = &type->fields[i];
        char                   *to    = row + field->offset;
        if (field->kind == WEIR_KIND_RECORD) {
            schema_random_fields(arena, field->record, random, to);
            continue;
        }
        for (uint32_t j = 0; j < field->count; j++, to += field->size / field->count) {
            schema_random_element(arena, field, random, to);
        }
    }
}

// Fills rows, what lies between fields with any bytes. Their strings lie in the arena, which is
// emptied of strings first; false once it is full: then `count` was too many for it.
static inline uint32_t schema_random_rows(struct schema_arena *arena, const weir_type *type,
                                          struct trial_random *random, char *rows, uint32_t count)
{
    arena->texts_bytes = 0;
    memset(rows, trial_one_in(random, 2) ? 0xa5 : 0, (size_t)count * type->size);
    for (uint32_t i = 0; i < count; i++) {
        if (arena->texts_bytes > sizeof(arena->texts) / 2) {
            return i;
        }
        schema_random_fields(arena, type, random, rows + (size_t)i * type->size);
    }
    return count;
}

// The name of the first field in which two rows of a type differ, or NULL.
static inline const char *schema_difference(const weir_type *type, const char *a, const char *b)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *const field   = &type->fields[i];
        const char *const       left    = a + field->offset;
        const char *const       right   = b + field->offset;
        bool                    is_same = true;
        if (field->kind == WEIR_KIND_RECORD) {
            is_same = schema_difference(field->record, left, right) == NULL;
        } else if (field->kind == WEIR_KIND_STR) {
            for (uint32_t j = 0; j < field->count && is_same; j++) {
                is_same = weir_str_equal((const void *)(left + j * sizeof(weir_str)),
                                         (const void *)(right + j * sizeof(weir_str)));
            }
        } else {
            is_same = memcmp(left, right, field->size) == 0;
        }
        if (!is_same) {
            return field->name;
        }
    }
    return NULL;
}

#endif // RANDOM_SCHEMA_H
