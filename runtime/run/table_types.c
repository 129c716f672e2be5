#include "runtime/run/table_types.h"

#include <stdio.h>
#include <string.h>

struct text {
    char  *bytes;
    size_t length, capacity;
};

static void text_add(struct text *text, const char *line)
{
    const size_t length = strlen(line);
    if (text->length + length + 1 > text->capacity) {
        text->capacity = (text->length + length + 1) * 2;
        text->bytes    = wr_realloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, line, length + 1);
    text->length += length;
}

static void text_add_fields(struct text *text, const weir_type *type, const char *path,
                            uint32_t at);

static void text_add_field(struct text *text, const weir_field *field, const char *path,
                           uint32_t at)
{
    if (field->kind != WEIR_KIND_RECORD) {
        char *line = wr_format("%s%s %s %u %u\n", path, field->name, weir_kind_name(field->kind),
                               at + field->offset, field->size);
        text_add(text, line);
        wr_free(line);
        return;
    }
    for (uint32_t i = 0; i < field->count; i++) {
        char *inner = field->count == 1 ? wr_format("%s%s.", path, field->name)
                                        : wr_format("%s%s[%u].", path, field->name, i);
        text_add_fields(text, field->record, inner,
                        at + field->offset + i * (field->size / field->count));
        wr_free(inner);
    }
}

static void text_add_fields(struct text *text, const weir_type *type, const char *path, uint32_t at)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        text_add_field(text, &type->fields[i], path, at);
    }
}

// Each a line of its own, its fields behind it. Of keys the last number is the record's bytes, of
// values where it is.
static void text_add_parts(struct text *text, const char *word, const struct wr_value_part *parts,
                           uint32_t count, bool is_key)
{
    const char *mark = word[0] == '+' ? "+" : "";
    for (uint32_t i = 0; i < count && parts[i].name != NULL; i++) {
        const weir_type *type = parts[i].type;
        char            *line = wr_format("%s %s %s %u\n", word, parts[i].name, type->name,
                               is_key ? type->size : parts[i].at);
        text_add(text, line);
        wr_free(line);
        text_add_fields(text, type, mark, is_key ? 0 : parts[i].at);
    }
}

char *wr_table_types(const struct wr_table_shape *shape)
{
    struct text text = { .bytes = NULL };
    text_add(&text, "");
    if (shape->key != NULL) {
        char *line = wr_format("key %s\n", shape->key->name);
        text_add(&text, line);
        wr_free(line);
        text_add_fields(&text, shape->key, "", 0);
    }
    text_add_parts(&text, "part", shape->parts, WR_VALUE_PARTS, false);
    text_add_parts(&text, "+key", shape->own_key, WR_OWN_PARTS, true);
    text_add_parts(&text, "+own", shape->own, WR_OWN_PARTS, false);
    return text.bytes;
}

// The first line at `text` or behind it that is compared.
static const char *skip_own(const char *text)
{
    while (*text == '+') {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

char *wr_table_types_compare(const char *stored, const char *own)
{
    stored = skip_own(stored);
    own    = skip_own(own);
    while (*stored != 0 && *own != 0) {
        const size_t length = strcspn(stored, "\n");
        const size_t wanted = strcspn(own, "\n");
        if (length != wanted || memcmp(stored, own, length) != 0) {
            return wr_format("it was stored as \"%.*s\", and is \"%.*s\" in this program",
                             (int)length, stored, (int)wanted, own);
        }
        stored = skip_own(stored + length + (stored[length] == '\n'));
        own    = skip_own(own + wanted + (own[wanted] == '\n'));
    }
    if (*stored == 0 && *own == 0) {
        return NULL;
    }
    const char *rest = *stored != 0 ? stored : own;
    return wr_format(*stored != 0 ? "\"%.*s\", which was stored, is not in this program"
                                  : "\"%.*s\" of this program was not stored",
                     (int)strcspn(rest, "\n"), rest);
}

// ---- reading ----

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

// "key TYPE", "key NAME TYPE BYTES", "part NAME TYPE OFFSET", "own NAME TYPE OFFSET"
static void read_head(const char *from, const char *end, struct wr_types_line *line)
{
    const bool is_key    = strncmp(from, "key ", 4) == 0;
    const bool is_simple = is_key && !line->is_own;
    size_t     digits;
    from += strcspn(from, " \n");
    line->word        = is_key ? WR_TYPES_KEY : WR_TYPES_PART;
    line->name        = from + (*from == ' ');
    line->name_length = is_simple ? (size_t)(end - line->name) : strcspn(line->name, " \n");
    if (line->name_length == 1 && line->name[0] == '-') {
        line->name_length = 0;
    }
    const char *last = take_last_word(line->name, &end, &digits);
    (void)(is_simple || is_number(last, digits, is_key ? &line->bytes : &line->at));
}

bool wr_types_line_fits(const struct wr_types_line *line, const struct wr_index_table *table)
{
    const uint32_t count =
        line->kind == WEIR_KIND_STR ? line->bytes / (uint32_t)sizeof(weir_str) : 0;
    if ((uint64_t)line->at + line->bytes > table->value_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_string = false;
        for (uint32_t j = 0; j < table->string_count; j++) {
            is_string |= table->string_offsets[j] == line->at + i * sizeof(weir_str);
        }
        if (!is_string) {
            return false;
        }
    }
    return true;
}

bool wr_types_next(const char **text, struct wr_types_line *line)
{
    const char *from = *text;
    if (*from == 0) {
        return false;
    }
    const char *end       = from + strcspn(from, "\n");
    const char *whole_end = end;
    size_t      digits[2], kind_length;
    *text = end + (*end == '\n');
    *line = (struct wr_types_line){ .is_own = *from == '+' };
    from += line->is_own;
    const char *bytes  = take_last_word(from, &end, &digits[0]);
    const char *offset = take_last_word(from, &end, &digits[1]);
    if (!is_number(offset, digits[1], &line->at) || end == from) {
        read_head(from, whole_end, line);
        return true;
    }
    const char *kind     = take_last_word(from, &end, &kind_length);
    const bool  is_field = is_number(bytes, digits[0], &line->bytes) && end > from &&
                          kind_of(kind, kind_length, &line->kind) && line->bytes > 0 &&
                          (uint64_t)line->at + line->bytes <= UINT32_MAX / 2;
    const uint32_t element = is_field ? wr_kind_bytes(line->kind) : 0;
    line->name             = from;
    line->name_length      = (size_t)(end - from);
    line->word =
        is_field && (element == 0 || line->bytes % element == 0) ? WR_TYPES_FIELD : WR_TYPES_NONE;
    return true;
}
