// Random records of random types: what is written reads back the same. Then the lines are broken at
// random and read by a type without fields, which takes a line for what it is: one JSON object in
// valid UTF-8, or not; a validator of this file's own says which.
#include "connectors/jsonl/json_reader.h"
#include "connectors/jsonl/json_writer.h"
#include "tests/support/random_record.h"

#define LINE_MAX_BYTES (1 << 16)
#define MUTATED_MAX    (LINE_MAX_BYTES + 4096)

// ---- the validator: recursive descent over one text ----

struct text {
    const unsigned char *at;
    const unsigned char *end;
};

static bool text_value(struct text *text);

static void text_space(struct text *text)
{
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\t' || *text->at == '\r' || *text->at == '\n')) {
        text->at++;
    }
}

static bool text_take(struct text *text, char c)
{
    const bool is_there = text->at < text->end && *text->at == (unsigned char)c;
    text->at += is_there ? 1 : 0;
    return is_there;
}

static bool text_digits(struct text *text)
{
    const unsigned char *const from = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        text->at++;
    }
    return text->at > from;
}

static bool text_number(struct text *text)
{
    text_take(text, '-');
    if (!text_take(text, '0') && !text_digits(text)) {
        return false;
    }
    if (text_take(text, '.') && !text_digits(text)) {
        return false;
    }
    if (text_take(text, 'e') || text_take(text, 'E')) {
        if (!text_take(text, '+')) {
            text_take(text, '-');
        }
        return text_digits(text);
    }
    return true;
}

// Four hexadecimal digits, or -1.
static int32_t text_unit(struct text *text)
{
    int32_t unit = 0;
    for (uint32_t i = 0; i < 4; i++, text->at++) {
        const char *const digits = "0123456789abcdef";
        const char *const found  = text->at < text->end && *text->at != 0
                                       ? strchr(digits, *text->at | (*text->at > '9' ? 0x20 : 0))
                                       : NULL;
        if (found == NULL) {
            return -1;
        }
        unit = unit * 16 + (int32_t)(found - digits);
    }
    return unit;
}

static bool text_escape(struct text *text)
{
    if (!text_take(text, 'u')) {
        const bool is_known =
            text->at < text->end && *text->at != 0 && strchr("\"\\/bfnrt", *text->at) != NULL;
        text->at++;
        return is_known;
    }
    const int32_t unit = text_unit(text);
    if (unit < 0xd800 || unit > 0xdfff) {
        return unit >= 0;
    }
    if (unit >= 0xdc00 || !text_take(text, '\\') || !text_take(text, 'u')) {
        return false;
    }
    const int32_t low = text_unit(text);
    return low >= 0xdc00 && low <= 0xdfff;
}

static bool text_string(struct text *text)
{
    if (!text_take(text, '"')) {
        return false;
    }
    while (text->at < text->end) {
        if (text_take(text, '"')) {
            return true;
        }
        if (*text->at < 0x20 || (text_take(text, '\\') ? !text_escape(text) : text->at++ == NULL)) {
            return false;
        }
    }
    return false;
}

static bool text_object(struct text *text)
{
    text_space(text);
    if (text_take(text, '}')) {
        return true;
    }
    do {
        text_space(text);
        if (!text_string(text)) {
            return false;
        }
        text_space(text);
        if (!text_take(text, ':') || !text_value(text)) {
            return false;
        }
    } while (text_take(text, ','));
    return text_take(text, '}');
}

static bool text_array(struct text *text)
{
    text_space(text);
    if (text_take(text, ']')) {
        return true;
    }
    do {
        if (!text_value(text)) {
            return false;
        }
    } while (text_take(text, ','));
    return text_take(text, ']');
}

static bool text_word(struct text *text, const char *word)
{
    const size_t length = strlen(word);
    const bool   is_it =
        (size_t)(text->end - text->at) >= length && memcmp(text->at, word, length) == 0;
    text->at += is_it ? length : 0;
    return is_it;
}

static bool text_value(struct text *text)
{
    text_space(text);
    const bool is_value = text_take(text, '{')   ? text_object(text)
                          : text_take(text, '[') ? text_array(text)
                          : text->at < text->end && *text->at == '"'
                              ? text_string(text)
                              : text_word(text, "true") || text_word(text, "false") ||
                                    text_word(text, "null") || text_number(text);
    text_space(text);
    return is_value;
}

// Decodes each character and asks for the shortest way to write it.
static bool is_utf8(const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        const unsigned char lead  = *at++;
        const uint32_t      count = lead < 0x80   ? 0
                                    : lead < 0xc0 ? 9
                                    : lead < 0xe0 ? 1
                                    : lead < 0xf0 ? 2
                                    : lead < 0xf8 ? 3
                                                  : 9;
        uint32_t            code  = count == 0 ? lead : lead & (0x3fu >> count);
        for (uint32_t i = 0; i < count; i++) {
            if (at == end || (*at & 0xc0) != 0x80) {
                return false;
            }
            code = code << 6 | (*at++ & 0x3fu);
        }
        const uint32_t shortest = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        if (shortest != count || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
            return false;
        }
    }
    return true;
}

static bool is_json_object(const char *line, size_t length)
{
    struct text text = { (const unsigned char *)line, (const unsigned char *)line + length };
    if (!is_utf8(text.at, text.end)) {
        return false;
    }
    text_space(&text);
    const bool is_object = text.at < text.end && *text.at == '{';
    return is_object && text_value(&text) && text.at == text.end;
}

// ---- mutations ----

static size_t line_splice(char *line, size_t length, size_t at, size_t removed, const char *added,
                          size_t added_bytes)
{
    removed = removed < length - at ? removed : length - at;
    memmove(line + at + added_bytes, line + at + removed, length - at - removed);
    memcpy(line + at, added, added_bytes);
    return length - removed + added_bytes;
}

// One small change: a byte, a token put in or over, a piece lost or doubled.
static size_t mutate(struct trial_random *random, char *line, size_t length)
{
    static const char *const tokens[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        " ",
        "\t",
        "\r",
        "\f",
        "0",
        "-",
        "1e400",
        "-0",
        "01",
        ".",
        "123456789012345678901234567890",
        "18446744073709551616",
        "1e",
        "E+5",
        "-1e-999",
        "null",
        "true",
        "tru",
        "NaN",
        "\\u0041",
        "\\ud800",
        "\\udc00",
        "\\ud83c\\udf0a",
        "\xff",
        "\xed\xa0\x80",
        "\xc3\xa9",
        "\xc0\x80",
        "\xf4\x90\x80\x80",
        "{}",
        "[]",
        "[[[[",
        "{\"a\":1}",
        ",\"n\":[1,2]",
        "\x01",
        "\x7f",
        "/**/",
        "\"\"",
        "[{\"x\":[1e999]}]",
        "\xe2\x82",
    };
    const size_t at = trial_below(random, (uint32_t)length + 1);
    switch (trial_below(random, 5)) {
    case 0: {
        const char byte = (char)trial_next(random);
        return line_splice(line, length, at, 1, &byte, 1);
    }
    case 1: return line_splice(line, length, at, trial_below(random, 4), "", 0);
    case 2: {
        char         piece[32];
        const size_t from = trial_below(random, (uint32_t)length + 1);
        const size_t bytes =
            trial_below(random, 32) < length - from ? trial_below(random, 32) : length - from;
        const size_t used = bytes < sizeof(piece) && bytes <= length - from ? bytes : 0;
        memcpy(piece, line + from, used);
        return line_splice(line, length, at, 0, piece, used);
    }
    default: {
        const char *const token = tokens[trial_below(random, WR_COUNT_OF(tokens))];
        // Mostly in the place of a whole token, so that many lines stay valid.
        size_t start = at;
        size_t end   = at;
        while (trial_one_in(random, 3) == false && end < length &&
               strchr(",:]}[{\" ", line[end]) == NULL) {
            end++;
        }
        while (end > at && start > 0 && strchr(",:]}[{\" ", line[start - 1]) == NULL) {
            start--;
        }
        return line_splice(line, length, start, end - start, token, strlen(token));
    }
    }
}

// ---- cases ----

static const weir_type no_fields = { "no_fields", NULL, 0, 8, 8 };

// Reads a copy that is exactly as long as promised.
static bool read_copy(struct wr_json_reader *reader, const char *line, size_t length, void *record,
                      const char **reason)
{
    char *const copy = malloc(length + WR_JSON_PADDING);
    memcpy(copy, line, length);
    memset(copy + length, '}', WR_JSON_PADDING);
    *reason          = NULL;
    const bool is_ok = wr_json_read(reader, copy, length, record, reason);
    free(copy);
    TRIAL_CHECK(is_ok || (*reason != NULL && strlen(*reason) > 0), "no reason");
    return is_ok;
}

static void try_round_trip(struct random_type *type, struct wr_json_reader *reader,
                           struct wr_json_plan *plan, struct trial_random *random, char *line,
                           size_t *length)
{
    static _Alignas(16) char record[RANDOM_RECORD_MAX];
    static _Alignas(16) char read[RANDOM_RECORD_MAX];
    random_record(type, random, record);
    const size_t bound = wr_json_bound(plan, record);
    char *const  exact = malloc(bound);
    *length            = wr_json_write(plan, record, trial_one_in(random, 4), exact) - 1;
    TRIAL_CHECK(*length < bound && bound <= LINE_MAX_BYTES, "%zu of %zu", *length, bound);
    TRIAL_CHECK(exact[*length] == '\n' && memchr(exact, '\n', *length) == NULL, "%s", exact);
    memcpy(line, exact, *length);
    free(exact);
    const char *reason;
    TRIAL_CHECK(read_copy(reader, line, *length, read, &reason), "%s: %.*s", reason, (int)*length,
                line);
    const char *const difference = record_difference(&type->type, record, read);
    TRIAL_CHECK(difference == NULL, "%s of %.*s", difference, (int)*length, line);
    TRIAL_CHECK(is_json_object(line, *length), "%.*s", (int)*length, line);
}

struct tally {
    uint64_t cases;
    uint64_t valid; // of the mutated ones
};

static void try_mutations(struct wr_json_reader *typed, struct wr_json_reader *untyped,
                          struct trial_random *random, const char *line, size_t length,
                          struct tally *tally)
{
    static char              mutated[MUTATED_MAX];
    static _Alignas(16) char record[RANDOM_RECORD_MAX];
    for (uint32_t i = 0; i < 4; i++) {
        size_t mutated_length = length;
        memcpy(mutated, line, length);
        for (uint32_t j = 1 + trial_below(random, 3); j > 0; j--) {
            mutated_length = mutate(random, mutated, mutated_length);
        }
        const char *reason;
        const bool  is_valid = is_json_object(mutated, mutated_length);
        TRIAL_CHECK(read_copy(untyped, mutated, mutated_length, record, &reason) == is_valid,
                    "%d, %s: %.*s", is_valid, reason, (int)mutated_length, mutated);
        TRIAL_CHECK(!read_copy(typed, mutated, mutated_length, record, &reason) || is_valid, "%.*s",
                    (int)mutated_length, mutated);
        tally->valid += is_valid ? 1 : 0;
        tally->cases++;
    }
}

int main(int argc, char **argv)
{
    static char                  line[LINE_MAX_BYTES];
    struct trial_random          random  = { trial_seed(argc, argv) };
    const uint64_t               types   = trial_size(200, 2000, 20000);
    struct tally                 tally   = { 0 };
    struct wr_json_reader *const untyped = wr_json_reader_open(&no_fields, NULL);
    struct random_type *const    type    = calloc(1, sizeof(*type));
    for (uint64_t i = 0; i < types; i++) {
        random_type_init(type, &random, 2);
        struct wr_json_reader *const reader = wr_json_reader_open(&type->type, NULL);
        struct wr_json_plan *const   plan   = wr_json_plan_open(&type->type, NULL);
        for (uint32_t j = 0; j < 4; j++) {
            size_t length;
            try_round_trip(type, reader, plan, &random, line, &length);
            try_mutations(reader, untyped, &random, line, length, &tally);
            tally.cases++;
        }
        wr_json_reader_close(reader);
        wr_json_plan_close(plan);
        random_type_fini(type);
    }
    free(type);
    wr_json_reader_close(untyped);
    TRIAL_CHECK(tally.valid * 20 > tally.cases, "only %" PRIu64 " broken lines were valid",
                tally.valid);
    printf("cases: %" PRIu64 "\nof them broken lines that stayed valid: %" PRIu64 "\n", tally.cases,
           tally.valid);
    return 0;
}
