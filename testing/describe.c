// Records as people read them: {card: 7, at: 2026-03-01T10:00:00Z, region: "north"}. Two records
// with equal fields have equal texts, and only they.
#include "testing/testing.h"

#include "connectors/text/text.h"

static void describe_bytes(FILE *to, const char *bytes, size_t length)
{
    (void)fputc('"', to);
    for (size_t i = 0; i < length;) {
        const size_t sequence = wr_text_utf8_sequence(bytes + i, length - i);
        const char   byte     = bytes[i];
        if (sequence == 0 || (unsigned char)byte < 0x20 || byte == 0x7f) {
            (void)fprintf(to, "\\x%02x", (unsigned)(unsigned char)byte);
            i++;
            continue;
        }
        if (byte == '"' || byte == '\\') {
            (void)fputc('\\', to);
        }
        (void)fwrite(bytes + i, 1, sequence, to);
        i += sequence;
    }
    (void)fputc('"', to);
}

static void describe_time(FILE *to, weir_time time)
{
    char text[WEIR_TIME_TEXT_MAX];
    if (time == WEIR_TIME_MIN || time == WEIR_TIME_MAX) {
        (void)fputs(time == WEIR_TIME_MIN ? "WEIR_TIME_MIN" : "WEIR_TIME_MAX", to);
    } else if (time < WEIR_TIME_MIN || time > WEIR_TIME_MAX) {
        (void)fprintf(to, "%lld us, which is no time", time);
    } else {
        (void)weir_time_format(time, text);
        (void)fputs(text, to);
    }
}

static void describe_float(FILE *to, weir_kind kind, const void *at)
{
    char   text[WR_TEXT_NUMBER_MAX];
    float  narrow = 0;
    double wide   = 0;
    size_t length;
    if (kind == WEIR_KIND_F32) {
        memcpy(&narrow, at, sizeof(narrow));
        length = wr_text_write_f32(narrow, text);
        wide   = (double)narrow;
    } else {
        memcpy(&wide, at, sizeof(wide));
        length = wr_text_write_f64(wide, text);
    }
    if (length > 0) {
        (void)fwrite(text, 1, length, to);
    } else {
        (void)fprintf(to, "%g", wide);
    }
}

static void describe_element(FILE *to, const weir_field *field, const char *at)
{
#define AS(type, format, shown)                                                                    \
    do {                                                                                           \
        type value;                                                                                \
        memcpy(&value, at, sizeof(value));                                                         \
        (void)fprintf(to, format, (shown)value);                                                   \
    } while (0)
    switch (field->kind) {
    case WEIR_KIND_BOOL: (void)fputs(*at != 0 ? "true" : "false", to); break;
    case WEIR_KIND_I8: AS(int8_t, "%d", int); break;
    case WEIR_KIND_I16: AS(int16_t, "%d", int); break;
    case WEIR_KIND_I32: AS(int32_t, "%d", int); break;
    case WEIR_KIND_I64: AS(int64_t, "%lld", long long); break;
    case WEIR_KIND_U8: AS(uint8_t, "%u", unsigned); break;
    case WEIR_KIND_U16: AS(uint16_t, "%u", unsigned); break;
    case WEIR_KIND_U32: AS(uint32_t, "%u", unsigned); break;
    case WEIR_KIND_U64: AS(uint64_t, "%llu", unsigned long long); break;
    case WEIR_KIND_F32:
    case WEIR_KIND_F64: describe_float(to, field->kind, at); break;
    case WEIR_KIND_TIME: {
        weir_time time;
        memcpy(&time, at, sizeof(time));
        describe_time(to, time);
        break;
    }
    case WEIR_KIND_STR: {
        weir_str text;
        memcpy(&text, at, sizeof(text));
        describe_bytes(to, weir_str_bytes(&text), text.length);
        break;
    }
    case WEIR_KIND_CHARS: describe_bytes(to, at, strnlen(at, field->size)); break;
    case WEIR_KIND_RECORD: wr_test_describe(to, field->record, at); break;
    }
#undef AS
}

void wr_test_describe_field(FILE *to, const weir_field *field, const void *record)
{
    const char *at = (const char *)record + field->offset;
    if (field->count <= 1) {
        describe_element(to, field, at);
        return;
    }
    for (uint32_t i = 0; i < field->count; i++) {
        (void)fputs(i == 0 ? "[" : ", ", to);
        describe_element(to, field, at + (size_t)i * (field->size / field->count));
    }
    (void)fputc(']', to);
}

void wr_test_describe(FILE *to, const weir_type *type, const void *record)
{
    (void)fputc('{', to);
    for (uint32_t i = 0; i < type->field_count; i++) {
        (void)fprintf(to, "%s%s: ", i == 0 ? "" : ", ", type->fields[i].name);
        wr_test_describe_field(to, &type->fields[i], record);
    }
    (void)fputc('}', to);
}
