// The text is made flat: a leaf a field, with its path. Then a record type is made of the paths
// again, by which the JSON Lines writer prints.
#include "cli/checkpoint/described.h"

#include "connectors/jsonl/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    char     *path; // with the part's name before it
    weir_kind kind;
    uint32_t  offset, bytes;
};

// Of a key: one of the records it is made of.
struct section {
    uint32_t first, end; // its leaves
    uint32_t at;         // where the record is decoded to
    uint32_t bytes;      // of the record
};

struct shape {
    struct leaf *leaves;
    uint32_t     leaf_count;
    uint32_t     bytes; // up to the end of the last leaf

    void               **memory; // of the types made of it
    uint32_t             memory_count;
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

static bool is_number(const char *word, size_t length, uint32_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '0' || word[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(word[i] - '0');
        if (value > UINT32_MAX) {
            return false;
        }
    }
    *number = (uint32_t)value;
    return length > 0;
}

// Cuts the last word off [line, *end).
static const char *take_last_word(const char *line, const char **end, size_t *length)
{
    const char *at = *end;
    while (at > line && at[-1] != ' ') {
        at--;
    }
    *length = (size_t)(*end - at);
    *end    = at > line ? at - 1 : line;
    return at;
}

static bool kind_of(const char *word, size_t length, weir_kind *kind)
{
    for (int i = WEIR_KIND_BOOL; i < WEIR_KIND_RECORD; i++) {
        const char *name = weir_kind_name((weir_kind)i);
        if (strlen(name) == length && memcmp(name, word, length) == 0) {
            *kind = (weir_kind)i;
            return true;
        }
    }
    return false;
}

static uint32_t element_bytes(weir_kind kind, uint32_t bytes)
{
    switch (kind) {
    case WEIR_KIND_BOOL:
    case WEIR_KIND_I8:
    case WEIR_KIND_U8: return 1;
    case WEIR_KIND_I16:
    case WEIR_KIND_U16: return 2;
    case WEIR_KIND_I32:
    case WEIR_KIND_U32:
    case WEIR_KIND_F32: return 4;
    case WEIR_KIND_I64:
    case WEIR_KIND_U64:
    case WEIR_KIND_F64:
    case WEIR_KIND_TIME: return 8;
    case WEIR_KIND_STR: return (uint32_t)sizeof(weir_str);
    default: return bytes;
    }
}

static void shape_add(struct shape *shape, const struct leaf *leaf)
{
    const uint32_t end = leaf->offset + leaf->bytes;
    shape->leaves      = wr_realloc(shape->leaves, (shape->leaf_count + 1) * sizeof(*leaf));
    shape->leaves[shape->leaf_count++] = *leaf;
    shape->bytes                       = end > shape->bytes ? end : shape->bytes;
}

// What the lines that follow belong to.
struct reading {
    struct wr_described         *described;
    const struct wr_index_table *table;
    bool                         is_key;
    char                         name[256]; // before a field's path; empty: nothing
};

// Whether a leaf of a value lies in it, and its strings, if any, are where a table has strings:
// elsewhere what looks like one may point anywhere.
static bool is_in_value(const struct wr_index_table *table, const struct leaf *leaf)
{
    const uint32_t count =
        leaf->kind == WEIR_KIND_STR ? leaf->bytes / (uint32_t)sizeof(weir_str) : 0;
    if ((uint64_t)leaf->offset + leaf->bytes > table->value_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_string = false;
        for (uint32_t j = 0; j < table->string_count; j++) {
            is_string |= table->string_offsets[j] == leaf->offset + i * sizeof(weir_str);
        }
        if (!is_string) {
            return false;
        }
    }
    return true;
}

static void reading_begin(struct reading *reading, const char *word, const char *line,
                          const char *end)
{
    struct wr_described *described = reading->described;
    const bool           is_own    = word[0] == '+';
    const bool           is_key    = strncmp(word + is_own, "key ", 4) == 0;
    const bool           is_simple = is_key && !is_own;
    const char          *space     = line + strcspn(line, " \n");
    const char          *from      = space + (*space == ' ');
    const size_t         length    = strcspn(from, " \n");
    size_t               digits;
    uint32_t             number = 0;
    const char          *last   = take_last_word(line, &end, &digits);
    (void)(is_simple || is_number(last, digits, &number));
    reading->is_key  = is_key;
    reading->name[0] = '\0';
    if (!is_simple && !(length == 1 && *from == '-')) {
        (void)snprintf(reading->name, sizeof(reading->name), "%.*s.", (int)length, from);
    }
    if (is_key) {
        const uint32_t at   = (uint32_t)wr_round_up(described->key.bytes, 16);
        described->sections = wr_realloc(described->sections, (described->section_count + 1) *
                                                                  sizeof(*described->sections));
        described->sections[described->section_count++] = (struct section){
            .first = described->key.leaf_count,
            .end   = described->key.leaf_count,
            .at    = at,
            .bytes = number,
        };
        described->has_simple_key |= is_simple;
    }
}

// A line without its end. Those that are not understood are left out.
static void read_line(struct reading *reading, const char *line, size_t length)
{
    struct wr_described *described = reading->described;
    const char *const    word      = line;
    const char          *end       = line + length;
    size_t               digits[2], name_length;
    struct leaf          leaf = { .path = NULL };
    line += *line == '+';
    const char *bytes  = take_last_word(line, &end, &digits[0]);
    const char *offset = take_last_word(line, &end, &digits[1]);
    if (!is_number(offset, digits[1], &leaf.offset) || end == line) {
        reading_begin(reading, word, line, word + length);
        return;
    }
    const char *kind = take_last_word(line, &end, &name_length);
    if (!is_number(bytes, digits[0], &leaf.bytes) || !kind_of(kind, name_length, &leaf.kind) ||
        end == line || leaf.bytes == 0 || leaf.bytes % element_bytes(leaf.kind, leaf.bytes) != 0 ||
        (uint64_t)leaf.offset + leaf.bytes > UINT32_MAX / 2) {
        return;
    }
    if (!reading->is_key && !is_in_value(reading->table, &leaf)) {
        return;
    }
    leaf.path = wr_format("%s%.*s", reading->name, (int)(end - line), line);
    if (reading->is_key && described->section_count > 0) {
        struct section *section = &described->sections[described->section_count - 1];
        leaf.offset += section->at;
        shape_add(&described->key, &leaf);
        section->end = described->key.leaf_count;
    } else {
        shape_add(&described->value, &leaf);
    }
}

// ---- types again ----

static void *shape_alloc(struct shape *shape, size_t bytes)
{
    shape->memory = wr_realloc((void *)shape->memory, (shape->memory_count + 1) * sizeof(void *));
    shape->memory[shape->memory_count] = wr_alloc(bytes);
    return shape->memory[shape->memory_count++];
}

static bool is_within(const struct leaf *leaf, size_t from, const char *name, size_t length)
{
    return strncmp(leaf->path + from, name, length) == 0 && leaf->path[from + length] == '.';
}

// Of leaves [first, end), whose paths are the same up to `from`. All offsets are the outermost
// record's, so that nested records begin at 0.
static const weir_type *type_of(struct shape *shape, uint32_t first, uint32_t end, size_t from)
{
    weir_type  *type   = shape_alloc(shape, sizeof(*type));
    weir_field *fields = shape_alloc(shape, (end - first + 1) * sizeof(*fields));
    uint32_t    count  = 0;
    for (uint32_t i = first, next; i < end; i = next, count++) {
        const struct leaf *leaf   = &shape->leaves[i];
        const char        *name   = leaf->path + from;
        const size_t       length = strcspn(name, ".");
        char              *copy   = shape_alloc(shape, length + 1);
        memcpy(copy, name, length);
        next = i + 1;
        if (name[length] == '\0') {
            fields[count] = (weir_field){
                .name   = copy,
                .offset = leaf->offset,
                .size   = leaf->bytes,
                .kind   = leaf->kind,
                .count  = leaf->bytes / element_bytes(leaf->kind, leaf->bytes),
            };
            continue;
        }
        while (next < end && is_within(&shape->leaves[next], from, name, length)) {
            next++;
        }
        fields[count] = (weir_field){
            .name   = copy,
            .record = type_of(shape, i, next, from + length + 1),
            .size   = shape->bytes,
            .kind   = WEIR_KIND_RECORD,
            .count  = 1,
        };
    }
    *type = (weir_type){ "described", fields, count, shape->bytes, 1 };
    return type;
}

static void shape_plan(struct shape *shape)
{
    shape->plan = wr_json_plan_open(type_of(shape, 0, shape->leaf_count, 0), NULL);
    WR_CHECK(shape->plan != NULL);
}

static void shape_fini(struct shape *shape)
{
    for (uint32_t i = 0; i < shape->leaf_count; i++) {
        wr_free(shape->leaves[i].path);
    }
    for (uint32_t i = 0; i < shape->memory_count; i++) {
        wr_free(shape->memory[i]);
    }
    wr_json_plan_close(shape->plan);
    wr_free(shape->leaves);
    wr_free((void *)shape->memory);
}

// ---- bytes of a value that no field describes ----

static void find_gaps(struct wr_described *described)
{
    bool *is_known = wr_alloc(described->value_bytes + 1);
    for (uint32_t i = 0; i < described->value.leaf_count; i++) {
        const struct leaf *leaf = &described->value.leaves[i];
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
    for (const char *line = table->types; *line != '\0';) {
        const size_t length = strcspn(line, "\n");
        read_line(&reading, line, length);
        line += length + (line[length] == '\n');
    }
    shape_plan(&described->key);
    shape_plan(&described->value);
    find_gaps(described);
    described->record = wr_alloc(wr_round_up(described->key.bytes, 16) + 16);
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
        const struct leaf *leaf  = &described->key.leaves[i];
        const uint32_t     count = leaf->bytes / element_bytes(leaf->kind, leaf->bytes);
        char              *to    = described->record + leaf->offset;
        const bool         is    = leaf->kind == WEIR_KIND_STR ? decode_strings(at, end, count, to)
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
        bytes += described->key.leaves[i].bytes;
        has_strings |= described->key.leaves[i].kind == WEIR_KIND_STR;
    }
    return !has_strings && section->bytes <= 16 && bytes == section->bytes;
}

static bool decode_key(struct wr_described *described, const char *key, uint32_t length)
{
    const char *const end = key + length;
    memset(described->record, 0, wr_round_up(described->key.bytes, 16) + 16);
    if (described->section_count == 0) {
        return false;
    }
    if (described->has_simple_key && described->key_kind != WR_KEY_BYTES) {
        memcpy(described->record, key,
               length < described->key.bytes ? length : described->key.bytes);
        return length >= described->key.bytes;
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
                                     count > 0                          ? ","
                                     : described->value.leaf_count == 0 ? "\"other\":{"
                                                                        : ",\"other\":{",
                                     gap->at, hex);
        text             = append(text, more);
        wr_free(hex);
        wr_free(more);
        count++;
    }
    return count > 0 ? append(text, "}}") : text;
}
