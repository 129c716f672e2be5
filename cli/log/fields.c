// The text is rewritten as that of log/schema.h, with sizes and offsets put in, and parsed as such:
// so a type is made in one place only, and is freed as those are.
#include "cli/log/fields.h"

#include "cli/log/values.h"
#include "log/schema.h"

#include <stdio.h>
#include <string.h>

#define CANONICAL      "weir schema 1\n"
#define NAME_MAX_BYTES 200

struct line {
    const char *bytes;
    size_t      length, indent;
    uint32_t    number;
};

struct fields {
    const char *at;
    size_t      indent;    // of the line that `at` is in
    bool        is_inside; // behind a comma of it
    uint32_t    line_number;
    struct line line; // the next one
    bool        has_line;
    char      **error;
};

// A record's fields as text, and what they take.
struct laid_out {
    char    *text;
    uint64_t size, align;
};

static size_t length_without_comment(const char *bytes, size_t length)
{
    const char *mark = memchr(bytes, '#', length);
    length           = mark != NULL ? (size_t)(mark - bytes) : length;
    while (length > 0 && strchr(" \t\r", bytes[length - 1]) != NULL) {
        length--;
    }
    return length;
}

// Moves to the next line that says something.
static void next_line(struct fields *fields)
{
    for (fields->has_line = false; !fields->has_line && *fields->at != '\0';) {
        const size_t raw    = strcspn(fields->at, "\n,");
        const size_t length = length_without_comment(fields->at, raw);
        const size_t spaces = strspn(fields->at, " \t");
        fields->indent      = fields->is_inside ? fields->indent : spaces;
        fields->is_inside   = fields->at[raw] == ',';
        fields->line_number++;
        fields->has_line = length > spaces;
        if (fields->has_line) {
            fields->line = (struct line){ fields->at + spaces, length - spaces, fields->indent,
                                          fields->line_number };
        }
        fields->at += raw + (fields->at[raw] != '\0');
    }
}

static bool refuse(struct fields *fields, const struct line *line, const char *why)
{
    if (*fields->error == NULL) {
        *fields->error =
            wr_format("field %u, \"%.*s\": %s", line->number, (int)line->length, line->bytes, why);
    }
    return false;
}

static const struct {
    const char *name;
    uint32_t    bytes, align;
} kinds[] = {
    { "bool", 1, 1 }, { "i8", 1, 1 },   { "i16", 2, 2 },  { "i32", 4, 4 },   { "i64", 8, 8 },
    { "u8", 1, 1 },   { "u16", 2, 2 },  { "u32", 4, 4 },  { "u64", 8, 8 },   { "f32", 4, 4 },
    { "f64", 8, 8 },  { "time", 8, 8 }, { "str", 16, 8 }, { "chars", 1, 1 },
};

// What a field of a kind takes; of text, an array. False: it was refused.
static bool measure(struct fields *fields, const struct line *line, const char *kind,
                    const char *count_text, uint64_t *bytes, uint64_t *align)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < WR_COUNT_OF(kinds); i++) {
        if (strcmp(kind, kinds[i].name) != 0) {
            continue;
        }
        if (count_text[0] != '\0' &&
            (!wr_value_count(count_text, &count) || count == 0 || count > WR_SCHEMA_ROW_MAX)) {
            return refuse(fields, line, "a count is a whole number above 0");
        }
        if (strcmp(kind, "chars") == 0 && count_text[0] == '\0') {
            return refuse(fields, line, "chars needs how many bytes, as in \"code chars 4\"");
        }
        if (strcmp(kind, "str") == 0 && count > 1) {
            return refuse(fields, line, "there are no arrays of str");
        }
        *bytes = count * kinds[i].bytes;
        *align = kinds[i].align;
        return true;
    }
    return refuse(fields, line,
                  "its kind is none of bool, i8 to i64, u8 to u64, f32, f64, time, str, chars N, "
                  "record NAME");
}

static void add_text(struct laid_out *record, const char *more)
{
    char *longer = wr_format("%s%s", record->text, more);
    wr_free(record->text);
    record->text = longer;
}

static bool lay_out(struct fields *fields, size_t indent, uint32_t depth, struct laid_out *record);

// One field, and the lines of its record below it.
static bool add_field(struct fields *fields, uint32_t depth, struct laid_out *record)
{
    const struct line line                     = fields->line;
    char              name[NAME_MAX_BYTES + 1] = "", kind[NAME_MAX_BYTES + 1] = "",
                               rest[NAME_MAX_BYTES + 1] = "", more[2] = "";
    char *copy  = wr_format("%.*s", (int)line.length, line.bytes);
    char *colon = strchr(copy, ':'); // "at:time" too
    if (colon != NULL) {
        *colon = ' ';
    }
    const int words = sscanf(copy, "%200s %200s %200s %1s", name, kind, rest, more);
    wr_free(copy);
    if (words < 2 || words > 3) {
        return refuse(fields, &line,
                      "a field is its name, its kind, and a count if it is an array");
    }
    uint64_t        bytes = 0, align = 1;
    struct laid_out nested    = { wr_copy_text(""), 0, 1 };
    const bool      is_record = strcmp(kind, "record") == 0;
    bool            is_right  = true;
    next_line(fields);
    if (is_record) {
        is_right = words == 3 || refuse(fields, &line, "a record needs a name");
        is_right = is_right && (depth < WR_SCHEMA_DEPTH_MAX || refuse(fields, &line, "too deep"));
        is_right = is_right && ((fields->has_line && fields->line.indent > line.indent) ||
                                refuse(fields, &line, "its fields have to follow, indented"));
        is_right = is_right && lay_out(fields, fields->line.indent, depth + 1, &nested);
        bytes    = nested.size;
        align    = nested.align;
    } else {
        is_right = measure(fields, &line, kind, rest, &bytes, &align);
    }
    if (is_right) {
        const uint64_t at = wr_round_up(record->size, align);
        if (strcmp(rest, "1") == 0 && strcmp(kind, "chars") != 0) {
            rest[0] = '\0'; // one is no array
        }
        char *text = is_record
                         ? wr_format("%*s%s record %s size %llu align %llu at %llu\n%s",
                                     (int)(2 * depth), "", name, rest, (unsigned long long)bytes,
                                     (unsigned long long)align, (unsigned long long)at, nested.text)
                         : wr_format("%*s%s %s%s%s at %llu\n", (int)(2 * depth), "", name, kind,
                                     rest[0] != '\0' ? " " : "", rest, (unsigned long long)at);
        add_text(record, text);
        wr_free(text);
        record->size  = at + bytes;
        record->align = align > record->align ? align : record->align;
    }
    wr_free(nested.text);
    return is_right;
}

// The fields indented as the line at hand, up to one that is indented less.
static bool lay_out(struct fields *fields, size_t indent, uint32_t depth, struct laid_out *record)
{
    while (fields->has_line && fields->line.indent >= indent) {
        if (fields->line.indent > indent) {
            return refuse(fields, &fields->line, "it is indented, but belongs to no record");
        }
        if (!add_field(fields, depth, record)) {
            return false;
        }
    }
    record->size = wr_round_up(record->size, record->align);
    return true;
}

weir_type *wr_fields_parse(const char *text, const char *name, char **error)
{
    *error = NULL;
    if (strncmp(text, CANONICAL, strlen(CANONICAL)) == 0) {
        return wr_schema_parse(text, strlen(text), error);
    }
    struct fields   fields                  = { .at = text, .error = error };
    struct laid_out record                  = { wr_copy_text(""), 0, 1 };
    char            own[NAME_MAX_BYTES + 1] = "", more[2] = "";
    next_line(&fields);
    if (fields.has_line) {
        char *copy = wr_format("%.*s", (int)fields.line.length, fields.line.bytes);
        if (sscanf(copy, "record %200s %1s", own, more) == 1) {
            next_line(&fields);
        } else {
            own[0] = '\0';
        }
        wr_free(copy);
    }
    weir_type *type = NULL;
    if (!fields.has_line) {
        *error = wr_copy_text("there are no fields");
    } else if (lay_out(&fields, fields.line.indent, 1, &record)) {
        if (fields.has_line) {
            (void)refuse(&fields, &fields.line, "it is indented less than the first field");
        } else {
            char *whole = wr_format(CANONICAL "record %s size %llu align %llu\n%s",
                                    own[0] != '\0' ? own : name, (unsigned long long)record.size,
                                    (unsigned long long)record.align, record.text);
            type        = wr_schema_parse(whole, strlen(whole), error);
            wr_free(whole);
        }
    }
    wr_free(record.text);
    return type;
}
