// Random record types and random records of them, for tests of what walks records by their type.
#ifndef RANDOM_RECORD_H
#define RANDOM_RECORD_H

#include "runtime/base/base.h"
#include "tests/support/trial.h"
#include <math.h>
#include <weir/record.h>

#define RANDOM_FIELDS_MAX 8
#define RANDOM_RECORD_MAX 2048
#define RANDOM_TEXT_MAX   200

struct random_type {
    weir_field          fields[RANDOM_FIELDS_MAX];
    char                names[RANDOM_FIELDS_MAX][24];
    weir_type           type;
    struct random_type *inner; // of the nested records, all of one type; NULL: there is none
    // Where the long strings of a record are; used again by the next record.
    char   texts[1 << 18];
    size_t texts_bytes;
};

static const struct {
    uint32_t size;
    uint32_t most; // elements of an array
} random_kinds[] = {
    [WEIR_KIND_BOOL] = { 1, 1 }, [WEIR_KIND_I8] = { 1, 4 },    [WEIR_KIND_I16] = { 2, 4 },
    [WEIR_KIND_I32] = { 4, 4 },  [WEIR_KIND_I64] = { 8, 4 },   [WEIR_KIND_U8] = { 1, 4 },
    [WEIR_KIND_U16] = { 2, 4 },  [WEIR_KIND_U32] = { 4, 4 },   [WEIR_KIND_U64] = { 8, 4 },
    [WEIR_KIND_F32] = { 4, 4 },  [WEIR_KIND_F64] = { 8, 4 },   [WEIR_KIND_TIME] = { 8, 4 },
    [WEIR_KIND_STR] = { 16, 1 }, [WEIR_KIND_CHARS] = { 1, 1 },
};

// Makes a type of one to eight fields of any kind, with nested records `depth` deep at most.
static inline void random_type_init(struct random_type *made, struct trial_random *random,
                                    uint32_t depth)
{
    static const char *const odd_names[] = {
        "a\"b", "\xc3\xa9t\xc3\xa9", "x,y", "\n", "a\\", " s "
    };
    made->inner                = NULL;
    made->texts_bytes          = 0;
    made->type                 = (weir_type){ "random", made->fields, 0, 0, 8 };
    const uint32_t field_count = 1 + trial_below(random, RANDOM_FIELDS_MAX);
    for (uint32_t i = 0; i < field_count; i++) {
        weir_field *const field = &made->fields[i];
        snprintf(made->names[i], sizeof(made->names[i]), "%s%u",
                 trial_one_in(random, 8) ? odd_names[trial_below(random, WR_COUNT_OF(odd_names))]
                                         : "f",
                 i);
        *field = (weir_field){ .name = made->names[i], .count = 1 };
        field->kind =
            (weir_kind)(1 + trial_below(random, depth > 0 ? WEIR_KIND_RECORD : WEIR_KIND_CHARS));
        if (field->kind == WEIR_KIND_RECORD) {
            if (made->inner == NULL) {
                made->inner = calloc(1, sizeof(*made->inner));
                random_type_init(made->inner, random, depth - 1);
            }
            field->record = &made->inner->type;
            field->size   = field->record->size;
        } else if (field->kind == WEIR_KIND_CHARS) {
            field->size = 1 + trial_below(random, 20);
        } else {
            field->count = trial_one_in(random, 3)
                               ? 1 + trial_below(random, random_kinds[field->kind].most)
                               : 1;
            field->size  = random_kinds[field->kind].size * field->count;
        }
        field->offset   = made->type.size;
        made->type.size = (uint32_t)wr_round_up(made->type.size + field->size, 8);
        made->type.field_count++;
    }
    TRIAL_CHECK(made->type.size <= RANDOM_RECORD_MAX, "%u bytes", made->type.size);
}

static inline void random_type_fini(struct random_type *made)
{
    if (made->inner != NULL) {
        random_type_fini(made->inner);
        free(made->inner);
    }
}

// Writes valid UTF-8 of at most `most` bytes, rich in what formats have to escape.
static inline size_t random_text(struct trial_random *random, char *to, size_t most)
{
    static const char *const pieces[] = { "a",
                                          "bc",
                                          " ",
                                          "\"",
                                          "\\",
                                          "/",
                                          ",",
                                          "\n",
                                          "\r",
                                          "\t",
                                          "\x01",
                                          "\x1f",
                                          "\x7f",
                                          "\xc3\xa9",
                                          "\xe2\x82\xac",
                                          "\xf0\x9f\x8c\x8a",
                                          "\xed\x9f\xbf",
                                          "\xf4\x8f\xbf\xbf",
                                          "null",
                                          "long plain text" };
    const size_t wanted = trial_below(random, trial_one_in(random, 4) ? (uint32_t)most + 1 : 15);
    size_t       length = 0;
    for (;;) {
        const char *const piece = pieces[trial_below(random, WR_COUNT_OF(pieces))];
        const size_t      bytes = strlen(piece);
        if (length + bytes > wanted || length + bytes > most) {
            return length;
        }
        for (size_t i = 0; i < bytes; i++) {
            to[length++] = piece[i];
        }
    }
}

// Any bits, often near an end or near zero.
static inline uint64_t random_bits(struct trial_random *random)
{
    const uint64_t bits = trial_next(random);
    switch (trial_below(random, 4)) {
    case 0: return bits;
    case 1: return bits >> trial_below(random, 64);
    case 2: return ~(bits >> trial_below(random, 64));
    default: return (UINT64_C(1) << trial_below(random, 64)) - trial_below(random, 3);
    }
}

static inline void random_element(struct random_type *of, const weir_field *field,
                                  struct trial_random *random, char *to)
{
    const uint64_t bits = random_bits(random);
    switch ((int)field->kind) {
    case WEIR_KIND_BOOL: *to = (char)(bits & 1); break;
    case WEIR_KIND_F32: {
        float value;
        memcpy(&value, &bits, sizeof(value));
        value = isfinite(value) ? value : 0.5f;
        memcpy(to, &value, sizeof(value));
        break;
    }
    case WEIR_KIND_F64: {
        double value;
        memcpy(&value, &bits, sizeof(value));
        value = trial_one_in(random, 3) ? (double)(int64_t)bits / 100 : value;
        value = isfinite(value) ? value : 0.5;
        memcpy(to, &value, sizeof(value));
        break;
    }
    case WEIR_KIND_TIME: {
        // Of the years that RFC 3339 can say: 0001 to 9999.
        const weir_time time = (weir_time)(bits % 315537897600000000u) - 62135596800000000;
        memcpy(to, &time, sizeof(time));
        break;
    }
    case WEIR_KIND_STR: {
        char *const    text   = of->texts + of->texts_bytes;
        const size_t   length = random_text(random, text, RANDOM_TEXT_MAX);
        const weir_str string = weir_str_of(text, length);
        of->texts_bytes += length;
        memcpy(to, &string, sizeof(string));
        break;
    }
    case WEIR_KIND_CHARS:
        memset(to, 0, field->size);
        random_text(random, to, field->size);
        break;
    default: memcpy(to, &bits, random_kinds[field->kind].size); break;
    }
}

static inline void random_fields(struct random_type *made, struct random_type *texts,
                                 struct trial_random *random, char *record)
{
    for (uint32_t i = 0; i < made->type.field_count; i++) {
        const weir_field *const field = &made->fields[i];
        char                   *to    = record + field->offset;
        if (field->kind == WEIR_KIND_RECORD) {
            random_fields(made->inner, texts, random, to);
            continue;
        }
        for (uint32_t j = 0; j < field->count; j++, to += field->size / field->count) {
            random_element(texts, field, random, to);
        }
    }
}

// Fills a record; its strings live until the next one is filled.
static inline void random_record(struct random_type *made, struct trial_random *random,
                                 void *record)
{
    made->texts_bytes = 0;
    memset(record, 0, made->type.size);
    random_fields(made, made, random, record);
}

// The path of the first field in which two records differ, or NULL. -0 equals 0.
static inline const char *record_difference(const weir_type *type, const void *a, const void *b)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *const field   = &type->fields[i];
        const char             *left    = (const char *)a + field->offset;
        const char             *right   = (const char *)b + field->offset;
        bool                    is_same = true;
        for (uint32_t j = 0; j < field->count && is_same; j++) {
            const uint32_t size = field->size / field->count;
            if (field->kind == WEIR_KIND_RECORD) {
                is_same = record_difference(field->record, left, right) == NULL;
            } else if (field->kind == WEIR_KIND_STR) {
                weir_str strings[2];
                memcpy(&strings[0], left, sizeof(weir_str));
                memcpy(&strings[1], right, sizeof(weir_str));
                is_same = weir_str_equal(&strings[0], &strings[1]);
            } else if (field->kind == WEIR_KIND_F64) {
                double values[2];
                memcpy(&values[0], left, sizeof(double));
                memcpy(&values[1], right, sizeof(double));
                is_same = !(values[0] < values[1]) && !(values[0] > values[1]);
            } else if (field->kind == WEIR_KIND_F32) {
                float values[2];
                memcpy(&values[0], left, sizeof(float));
                memcpy(&values[1], right, sizeof(float));
                is_same = !(values[0] < values[1]) && !(values[0] > values[1]);
            } else {
                is_same = memcmp(left, right, size) == 0;
            }
            left += size;
            right += size;
        }
        if (!is_same) {
            return field->name;
        }
    }
    return NULL;
}

#endif // RANDOM_RECORD_H
