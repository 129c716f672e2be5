// A topic's types as text, and back. The text of a record is a line for it and, two spaces deeper,
// a line a field; those of a nested record follow its field's line.
//
//   weir schema 1
//   record order size 48 align 8
//     at time at 0
//     tags i32 3 at 8                              an array of 3
//     code chars 4 at 20
//     price record money size 16 align 8 at 24
//       units i64 at 0
//       currency u32 at 8
//
// A type has one text only: the parser reads each line's words, and then compares the text of what
// it made with what it read.
#include "log/schema.h"

#include <stdarg.h>
#include <stdio.h>

#define FIRST_LINE "weir schema 1\n"
#define WORDS_MOST 10

static const uint8_t element_bytes[] = {
    [WEIR_KIND_BOOL] = 1, [WEIR_KIND_I8] = 1,    [WEIR_KIND_I16] = 2,    [WEIR_KIND_I32] = 4,
    [WEIR_KIND_I64] = 8,  [WEIR_KIND_U8] = 1,    [WEIR_KIND_U16] = 2,    [WEIR_KIND_U32] = 4,
    [WEIR_KIND_U64] = 8,  [WEIR_KIND_F32] = 4,   [WEIR_KIND_F64] = 8,    [WEIR_KIND_TIME] = 8,
    [WEIR_KIND_STR] = 16, [WEIR_KIND_CHARS] = 1, [WEIR_KIND_RECORD] = 0,
};

// ---- which types may be a topic's ----

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *name)
{
    if (name == NULL || !is_letter(name[0])) {
        return false;
    }
    size_t length = 1;
    while (is_letter(name[length]) || (name[length] >= '0' && name[length] <= '9')) {
        length++;
    }
    return name[length] == 0 && length <= WR_SCHEMA_NAME_MAX;
}

static uint32_t field_align(const weir_field *field)
{
    switch (field->kind) {
    case WEIR_KIND_RECORD: return field->record->align;
    case WEIR_KIND_STR: return 8;
    default: return element_bytes[field->kind];
    }
}

// What is wrong with a field by itself, or NULL.
static const char *field_fault(const weir_type *type, const weir_field *field)
{
    if ((uint32_t)field->kind < WEIR_KIND_BOOL || (uint32_t)field->kind > WEIR_KIND_RECORD) {
        return "is of no known kind";
    }
    const bool is_single = field->kind == WEIR_KIND_CHARS || field->kind == WEIR_KIND_RECORD;
    if (field->count == 0 || (is_single && field->count != 1)) {
        return "has a count that its kind has not";
    }
    if (field->kind == WEIR_KIND_RECORD
            ? field->record == NULL || field->size != field->record->size
        : field->kind == WEIR_KIND_CHARS
            ? field->size == 0
            : field->size != (uint64_t)field->count * element_bytes[field->kind]) {
        return "has a size that its kind and count have not";
    }
    if (field->kind != WEIR_KIND_RECORD && field->record != NULL) {
        return "is no record and has a record's type";
    }
    const uint32_t align = field_align(field);
    if (align == 0 || field->offset % align != 0 || align > type->align) {
        return "is not aligned";
    }
    return NULL;
}

static const char *type_fault(const weir_type *type)
{
    if (type->align == 0 || (type->align & (type->align - 1)) != 0 ||
        type->align > WR_SCHEMA_ALIGN_MAX) {
        return "has an alignment that is no power of two up to 4,096";
    }
    if (type->size == 0 || type->size % type->align != 0 || type->size > WR_SCHEMA_ROW_MAX) {
        return "has a size that is no multiple of its alignment up to 32 MiB";
    }
    return NULL;
}

static bool has_name_before(const weir_type *type, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(type->fields[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

// Also counts the fields into *count. *error is a sentence, or NULL.
static bool type_check(const weir_type *type, uint32_t depth, uint32_t *count, char **error)
{
    if (!is_name(type->name)) {
        *error =
            wr_format("a record is named \"%.220s\"; a topic's records and fields are named as "
                      "in C, with up to 200 letters, digits and _",
                      type->name == NULL ? "" : type->name);
        return false;
    }
    const char *fault =
        depth > WR_SCHEMA_DEPTH_MAX ? "is nested deeper than 8 records" : type_fault(type);
    if (fault != NULL) {
        *error = wr_format("record %s %s", type->name, fault);
        return false;
    }
    uint64_t end = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        if (!is_name(field->name)) {
            *error = wr_format("a field of record %s is named \"%.220s\"; a topic's records and "
                               "fields are named as in C, with up to 200 letters, digits and _",
                               type->name, field->name == NULL ? "" : field->name);
            return false;
        }
        fault = ++*count > WR_SCHEMA_FIELDS_MAX ? "is the 1,025th; a topic's type has up to 1,024"
                                                : field_fault(type, field);
        if (fault == NULL && field->offset < end) {
            fault = "lies before the end of the one before; list fields in the order they lie in";
        }
        end = (uint64_t)field->offset + field->size;
        if (fault == NULL && end > type->size) {
            fault = "ends behind its record";
        }
        if (fault == NULL && has_name_before(type, i, field->name)) {
            fault = "has the name of another one";
        }
        if (fault != NULL) {
            *error = wr_format("field %s of record %s %s", field->name, type->name, fault);
            return false;
        }
        if (field->kind == WEIR_KIND_RECORD &&
            !type_check(field->record, depth + 1, count, error)) {
            return false;
        }
    }
    return true;
}

bool wr_schema_check(const weir_type *type, char **error)
{
    uint32_t count = 0;
    *error         = NULL;
    return type_check(type, 1, &count, error);
}

// ---- to text ----

struct text {
    char  *bytes;
    size_t length, capacity;
};

WEIR_PRINTF(2, 3) static void text_add(struct text *text, const char *format, ...)
{
    for (;;) {
        va_list arguments;
        va_start(arguments, format);
        const size_t room  = text->capacity - text->length;
        const int    added = vsnprintf(text->bytes + text->length, room, format, arguments);
        va_end(arguments);
        WR_ASSERT(added >= 0);
        if ((size_t)added < room) {
            text->length += (size_t)added;
            return;
        }
        text->capacity = text->capacity * 2 + (size_t)added;
        text->bytes    = wr_realloc(text->bytes, text->capacity);
    }
}

static void text_add_fields(struct text *text, const weir_type *type, int indent)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        text_add(text, "%*s%s %s", indent, "", field->name, weir_kind_name(field->kind));
        if (field->kind == WEIR_KIND_RECORD) {
            text_add(text, " %s size %u align %u", field->record->name, field->record->size,
                     field->record->align);
        } else if (field->kind == WEIR_KIND_CHARS) {
            text_add(text, " %u", field->size);
        } else if (field->count > 1) {
            text_add(text, " %u", field->count);
        }
        text_add(text, " at %u\n", field->offset);
        if (field->kind == WEIR_KIND_RECORD) {
            text_add_fields(text, field->record, indent + 2);
        }
    }
}

char *wr_schema_text(const weir_type *type)
{
    struct text text = { wr_alloc(1024), 0, 1024 };
    text_add(&text, FIRST_LINE "record %s size %u align %u\n", type->name, type->size, type->align);
    text_add_fields(&text, type, 2);
    return text.bytes;
}

// ---- from text ----

struct parser {
    char    *at;     // the next line; lines are cut into words as they are read
    uint32_t line;   // of the words
    uint32_t indent; // spaces before them
    char    *words[WORDS_MOST];
    uint32_t word_count; // 0: the text has ended
    uint32_t field_count;
    char    *error;
};

static bool parser_refuse(struct parser *parser, const char *why)
{
    if (parser->error == NULL) {
        parser->error = wr_format("line %u of a schema: %s", parser->line, why);
    }
    return false;
}

// Cuts the next line into words; further ones than there is room for are left in the last, which is
// then no word that anything knows.
static void parser_next_line(struct parser *parser)
{
    parser->word_count = 0;
    parser->indent     = 0;
    if (*parser->at == 0) {
        return;
    }
    parser->line++;
    char *at   = parser->at;
    char *next = strchr(at, '\n');
    if (next != NULL) {
        *next++ = 0;
    } else {
        next = at + strlen(at);
    }
    parser->at = next;
    for (; *at == ' '; at++) {
        parser->indent++;
    }
    do {
        parser->words[parser->word_count++] = at;
        at                                  = strchr(at, ' ');
        if (at != NULL && parser->word_count < WORDS_MOST) {
            *at++ = 0;
        }
    } while (at != NULL && parser->word_count < WORDS_MOST);
}

static bool word_is(const struct parser *parser, uint32_t number, const char *text)
{
    return number < parser->word_count && strcmp(parser->words[number], text) == 0;
}

static bool word_number(const struct parser *parser, uint32_t number, uint32_t *value)
{
    if (number >= parser->word_count || parser->words[number][0] == 0) {
        return false;
    }
    uint64_t sum = 0;
    for (const char *at = parser->words[number]; *at != 0; at++) {
        if (*at < '0' || *at > '9' || sum > WR_SCHEMA_ROW_MAX) {
            return false;
        }
        sum = sum * 10 + (uint64_t)(*at - '0');
    }
    *value = (uint32_t)sum;
    return sum <= UINT32_MAX;
}

static weir_kind kind_named(const char *name)
{
    for (uint32_t kind = WEIR_KIND_BOOL; kind <= WEIR_KIND_RECORD; kind++) {
        if (strcmp(weir_kind_name((weir_kind)kind), name) == 0) {
            return (weir_kind)kind;
        }
    }
    return (weir_kind)0;
}

// Reads "record NAME size N align N" at the words from `first` on.
static bool parse_record_words(struct parser *parser, uint32_t first, weir_type *type)
{
    if (!word_is(parser, first, "record") || !word_is(parser, first + 2, "size") ||
        !word_number(parser, first + 3, &type->size) || !word_is(parser, first + 4, "align") ||
        !word_number(parser, first + 5, &type->align)) {
        return parser_refuse(parser, "not \"record NAME size BYTES align BYTES\"");
    }
    type->name = parser->words[first + 1];
    return true;
}

// Reads the words of a field; of a nested record its name, size and alignment into *nested.
static bool parse_field_words(struct parser *parser, weir_field *field, weir_type *nested)
{
    *field        = (weir_field){ .name = parser->words[0], .count = 1 };
    field->kind   = parser->word_count > 1 ? kind_named(parser->words[1]) : (weir_kind)0;
    uint32_t next = 2;
    if (field->kind == WEIR_KIND_RECORD) {
        if (!parse_record_words(parser, 1, nested)) {
            return false;
        }
        field->size = nested->size;
        next        = 7;
    } else if (!word_is(parser, 2, "at")) {
        if (!word_number(parser, 2, &field->count)) {
            return parser_refuse(parser, "not \"NAME KIND [COUNT] at OFFSET\"");
        }
        next = 3;
    }
    if ((uint32_t)field->kind == 0 || !word_is(parser, next, "at") ||
        !word_number(parser, next + 1, &field->offset) || parser->word_count != next + 2) {
        return parser_refuse(parser, "not \"NAME KIND [COUNT] at OFFSET\"");
    }
    if (field->kind != WEIR_KIND_RECORD) {
        const uint64_t size = (uint64_t)field->count * element_bytes[field->kind];
        field->size         = size <= WR_SCHEMA_ROW_MAX ? (uint32_t)size : UINT32_MAX;
        field->count        = field->kind == WEIR_KIND_CHARS ? 1 : field->count;
    }
    return true;
}

static void nested_close(const weir_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_schema_type_close((weir_type *)(uintptr_t)fields[i].record);
    }
}

// Reads the fields of `head`, whose lines have `depth` levels of spaces, and makes the type; NULL:
// refused. The words stay what they were for the caller: the first line that is none of its fields.
static weir_type *parse_type(struct parser *parser, const weir_type *head, uint32_t depth)
{
    weir_field *fields   = NULL;
    uint32_t    count    = 0;
    uint32_t    capacity = 0;
    bool        is_ok =
        depth <= WR_SCHEMA_DEPTH_MAX || parser_refuse(parser, "records are nested deeper than 8");
    while (is_ok && parser->word_count > 0 && parser->indent == 2 * depth) {
        if (++parser->field_count > WR_SCHEMA_FIELDS_MAX) {
            is_ok = parser_refuse(parser, "there are more than 1,024 fields");
            break;
        }
        weir_type  nested = { 0 };
        weir_field field;
        is_ok = parse_field_words(parser, &field, &nested);
        if (!is_ok) {
            break;
        }
        parser_next_line(parser);
        if (field.kind == WEIR_KIND_RECORD) {
            field.record = parse_type(parser, &nested, depth + 1);
            is_ok        = field.record != NULL;
        }
        if (count == capacity) {
            capacity = capacity * 2 + 8;
            fields   = wr_realloc(fields, capacity * sizeof(*fields));
        }
        fields[count++] = field;
    }
    weir_type *const type =
        is_ok ? weir_type_open(head->name, head->size, head->align, fields, count) : NULL;
    if (type == NULL) {
        parser_refuse(parser, "the fields before it do not lie in their record in this order");
        nested_close(fields, count);
    }
    wr_free(fields);
    return type;
}

static weir_type *parse_text(struct parser *parser)
{
    weir_type head = { 0 };
    parser_next_line(parser);
    if (!word_is(parser, 0, "weir") || !word_is(parser, 1, "schema") || !word_is(parser, 2, "1")) {
        parser_refuse(parser, "not \"weir schema 1\"");
        return NULL;
    }
    parser_next_line(parser);
    if (!parse_record_words(parser, 0, &head)) {
        return NULL;
    }
    parser_next_line(parser);
    weir_type *const type = parse_type(parser, &head, 1);
    if (type != NULL && parser->word_count > 0) {
        parser_refuse(parser, "the line belongs to no record");
    }
    return type;
}

// True if the text is the one text that the type has.
static bool is_text_of(const weir_type *type, const char *text, size_t length)
{
    char *const own     = wr_schema_text(type);
    const bool  is_same = strlen(own) == length && memcmp(own, text, length) == 0;
    wr_free(own);
    return is_same;
}

weir_type *wr_schema_parse(const char *text, size_t length, char **error)
{
    char *const copy = wr_alloc(length + 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    struct parser parser = { .at = copy };
    weir_type    *type   = parse_text(&parser);
    if (parser.error == NULL) {
        WR_ASSERT(type != NULL);
        if (wr_schema_check(type, &parser.error) && !is_text_of(type, text, length)) {
            parser.error = wr_copy_text("a schema is not written as weir writes it: spaces, lines "
                                        "or numbers differ");
        }
    }
    wr_free(copy);
    *error = parser.error;
    if (parser.error != NULL) {
        wr_schema_type_close(type);
        return NULL;
    }
    return type;
}

void wr_schema_type_close(weir_type *type)
{
    if (type != NULL) {
        nested_close(type->fields, type->field_count);
        weir_type_close(type);
    }
}

bool wr_schema_is_same(const weir_type *a, const weir_type *b)
{
    if (strcmp(a->name, b->name) != 0 || a->size != b->size || a->align != b->align ||
        a->field_count != b->field_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->field_count; i++) {
        const weir_field *left  = &a->fields[i];
        const weir_field *right = &b->fields[i];
        if (strcmp(left->name, right->name) != 0 || left->kind != right->kind ||
            left->offset != right->offset || left->size != right->size ||
            left->count != right->count ||
            (left->kind == WEIR_KIND_RECORD && !wr_schema_is_same(left->record, right->record))) {
            return false;
        }
    }
    return true;
}

struct wr_conversion *wr_schema_conversion(const weir_type *from, const weir_type *to, char **error)
{
    return wr_schema_check(from, error) && wr_schema_check(to, error)
               ? wr_conversion_open(from, to, WR_GAPS_ZERO, error)
               : NULL;
}
