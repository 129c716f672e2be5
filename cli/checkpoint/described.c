// The text is made flat: a leaf a field, with its path. Then a record type is made of the paths
// again, by which the JSON Lines writer prints.
#include "cli/checkpoint/described.h"

#include "connectors/jsonl/json_writer.h"
#include "runtime/run/leaves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of a key: one of the records it is made of.
struct section {
    uint32_t first, end; // its leaves
    uint32_t at;         // where the record is decoded to
    uint32_t bytes;      // of the record
};

struct shape {
    struct wr_leaves     leaves;
    struct wr_json_plan *plan;
};

struct gap {
    uint32_t at, bytes;
};

struct wr_described {
    enum wr_key_kind key_kind;
    bool             has_simple_key; // one record, as the table's own key
    struct shape     key, value;
    struct section  *sections;
    uint32_t         section_count;
    char            *record; // a key, decoded
    uint32_t         value_bytes;
    struct gap      *gaps; // of the value
    uint32_t         gap_count;
};

// ---- the text ----

// What the lines that follow belong to.
struct reading {
    struct wr_described         *described;
    const struct wr_index_table *table;
    bool                         is_key;
    char                         name[256]; // before a field's path; empty: nothing
};

static void reading_begin(struct reading *reading, const struct wr_types_line *line)
{
    struct wr_described *described = reading->described;
    const bool           is_simple = line->word == WR_TYPES_KEY && !line->is_own;
    reading->is_key                = line->word == WR_TYPES_KEY;
    reading->name[0]               = '\0';
    if (!is_simple) {
        (void)snprintf(reading->name, sizeof(reading->name), "%.*s", (int)line->name_length,
                       line->name);
    }
    if (reading->is_key) {
        const uint32_t at   = (uint32_t)wr_round_up(described->key.leaves.bytes, 16);
        described->sections = wr_realloc(described->sections, (described->section_count + 1) *
                                                                  sizeof(*described->sections));
        described->sections[described->section_count++] = (struct section){
            .first = described->key.leaves.count,
            .end   = described->key.leaves.count,
            .at    = at,
            .bytes = line->bytes,
        };
        described->has_simple_key |= is_simple;
    }
}

static void reading_add(const struct reading *reading, const struct wr_types_line *line)
{
    struct wr_described *described = reading->described;
    if (reading->is_key && described->section_count > 0) {
        struct section *section = &described->sections[described->section_count - 1];
        wr_leaves_add(&described->key.leaves, reading->name, section->at, line);
        section->end = described->key.leaves.count;
    } else if (!reading->is_key && wr_types_line_fits(line, reading->table)) {
        wr_leaves_add(&described->value.leaves, reading->name, 0, line);
    }
}

static void shape_plan(struct shape *shape)
{
    shape->plan = wr_json_plan_open(wr_leaves_type(&shape->leaves), NULL);
    WR_CHECK(shape->plan != NULL);
}

static void shape_fini(struct shape *shape)
{
    wr_json_plan_close(shape->plan);
    wr_leaves_fini(&shape->leaves);
}

// ---- bytes of a value that no field describes ----

static void find_gaps(struct wr_described *described)
{
    bool *is_known = wr_alloc(described->value_bytes + 1);
    for (uint32_t i = 0; i < described->value.leaves.count; i++) {
        const struct wr_leaf *leaf = &described->value.leaves.at[i];
        memset(is_known + leaf->offset, 1, leaf->bytes);
    }
    for (uint32_t at = 0, end; at < described->value_bytes; at = end) {
        for (end = at + 1; end < described->value_bytes && is_known[end] == is_known[at];) {
            end++;
        }
        if (!is_known[at]) {
            described->gaps =
                wr_realloc(described->gaps, (described->gap_count + 1) * sizeof(*described->gaps));
            described->gaps[described->gap_count++] = (struct gap){ at, end - at };
        }
    }
    wr_free(is_known);
}

static bool is_zero(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

char *wr_described_hex(const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char *const       text     = wr_alloc(length * 2 + 1);
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = ((const unsigned char *)bytes)[i];
        text[2 * i]              = digits[byte >> 4];
        text[2 * i + 1]          = digits[byte & 15];
    }
    return text;
}

// ---- open and close ----

struct wr_described *wr_described_open(const struct wr_index_table *table)
{
    struct wr_described *described = wr_alloc(sizeof(*described));
    struct reading       reading   = { .described = described, .table = table };
    described->key_kind            = table->key_kind;
    described->value_bytes         = table->value_bytes;
    struct wr_types_line line;
    for (const char *text = table->types; wr_types_next(&text, &line);) {
        switch (line.word) {
        case WR_TYPES_KEY:
        case WR_TYPES_PART: reading_begin(&reading, &line); break;
        case WR_TYPES_FIELD: reading_add(&reading, &line); break;
        case WR_TYPES_NONE: break;
        }
    }
    shape_plan(&described->key);
    shape_plan(&described->value);
    find_gaps(described);
    described->record = wr_alloc(wr_round_up(described->key.leaves.bytes, 16) + 16);
    return described;
}

void wr_described_close(struct wr_described *described)
{
    shape_fini(&described->key);
    shape_fini(&described->value);
    wr_free(described->sections);
    wr_free(described->record);
    wr_free(described->gaps);
    wr_free(described);
}

// ---- keys ----

static bool take(const char **at, const char *end, void *to, size_t bytes)
{
    if (bytes > (size_t)(end - *at)) {
        return false;
    }
    memcpy(to, *at, bytes);
    *at += bytes;
    return true;
}

static bool decode_strings(const char **at, const char *end, uint32_t count, char *to)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        if (!take(at, end, &length, sizeof(length)) || length > (size_t)(end - *at)) {
            return false;
        }
        const weir_str text = weir_str_of(*at, length);
        memcpy(to + i * sizeof(text), &text, sizeof(text));
        *at += length;
    }
    return true;
}

// As wr_key_encode wrote it: field by field.
static bool decode_encoded(struct wr_described *described, const struct section *section,
                           const char **at, const char *end)
{
    for (uint32_t i = section->first; i < section->end; i++) {
        const struct wr_leaf *leaf  = &described->key.leaves.at[i];
        const uint32_t        count = leaf->bytes / (uint32_t)sizeof(weir_str);
        char                 *to    = described->record + leaf->offset;
        const bool            is = leaf->kind == WEIR_KIND_STR ? decode_strings(at, end, count, to)
                                                               : take(at, end, to, leaf->bytes);
        if (!is) {
            return false;
        }
    }
    return true;
}

// Whether a record of a key of several stands there as it is; type.c has the rule.
static bool is_plain(const struct wr_described *described, const struct section *section)
{
    uint64_t bytes       = 0;
    bool     has_strings = false;
    for (uint32_t i = section->first; i < section->end; i++) {
        bytes += described->key.leaves.at[i].bytes;
        has_strings |= described->key.leaves.at[i].kind == WEIR_KIND_STR;
    }
    return !has_strings && section->bytes <= 16 && bytes == section->bytes;
}

static bool decode_key(struct wr_described *described, const char *key, uint32_t length)
{
    const char *const end = key + length;
    memset(described->record, 0, wr_round_up(described->key.leaves.bytes, 16) + 16);
    if (described->section_count == 0) {
        return false;
    }
    if (described->has_simple_key && described->key_kind != WR_KEY_BYTES) {
        memcpy(described->record, key,
               length < described->key.leaves.bytes ? length : described->key.leaves.bytes);
        return length >= described->key.leaves.bytes;
    }
    for (uint32_t i = 0; i < described->section_count; i++) {
        const struct section *section = &described->sections[i];
        char                 *to      = described->record + section->at;
        const bool            is      = !described->has_simple_key && is_plain(described, section)
                                            ? take(&key, end, to, section->bytes)
                                            : decode_encoded(described, section, &key, end);
        if (!is) {
            return false;
        }
    }
    return end - key < 16 && is_zero(key, (size_t)(end - key));
}

// The record's line, without its end; the plan's.
static char *line_of(const struct wr_json_plan *plan, const void *record)
{
    char        *text   = wr_alloc(wr_json_bound(plan, record) + 1);
    const size_t length = wr_json_write(plan, record, false, text);
    text[length - 1]    = '\0';
    return text;
}

char *wr_described_key(struct wr_described *described, const void *key, uint32_t length)
{
    if (decode_key(described, key, length)) {
        return line_of(described->key.plan, described->record);
    }
    char *const hex    = wr_described_hex(key, length);
    char *const quoted = wr_format("\"%s\"", hex);
    wr_free(hex);
    return quoted;
}

// ---- values ----

// "text" and more, in the place of text.
static char *append(char *text, const char *more)
{
    char *const longer = wr_format("%s%s", text, more);
    wr_free(text);
    return longer;
}

char *wr_described_value(struct wr_described *described, const void *value)
{
    char    *text  = line_of(described->value.plan, value);
    uint32_t count = 0;
    for (uint32_t i = 0; i < described->gap_count; i++) {
        const struct gap *gap   = &described->gaps[i];
        const char       *bytes = (const char *)value + gap->at;
        if (is_zero(bytes, gap->bytes)) {
            continue;
        }
        if (count == 0) {
            text[strlen(text) - 1] = '\0'; // the brace
        }
        char *const hex  = wr_described_hex(bytes, gap->bytes);
        char *const more = wr_format("%s\"%u\":\"%s\"",
                                     count > 0                            ? ","
                                     : described->value.leaves.count == 0 ? "\"other\":{"
                                                                          : ",\"other\":{",
                                     gap->at, hex);
        text             = append(text, more);
        wr_free(hex);
        wr_free(more);
        count++;
    }
    return count > 0 ? append(text, "}}") : text;
}
