#include "cli/json.h"

#include "connectors/text/text.h"

#include <string.h>

// The years that RFC 3339 has: 0000 to 9999. What follows from the ends of time lies beyond.
#define TIMES_FIRST WEIR_SECONDS(-62167219200)
#define TIMES_END   WEIR_SECONDS(253402300800)

void wr_json_print_text(FILE *to, const char *text)
{
    const char *const end = text + strlen(text);
    (void)fputc('"', to);
    while (text < end) {
        const size_t        step = wr_text_utf8_sequence(text, (size_t)(end - text));
        const unsigned char c    = (unsigned char)*text;
        if (step == 0) {
            (void)fputs("\\ufffd", to);
        } else if (c == '"' || c == '\\') {
            (void)fprintf(to, "\\%c", c);
        } else if (c < 0x20) {
            (void)fprintf(to, "\\u%04x", c);
        } else {
            (void)fwrite(text, 1, step, to);
        }
        text += step == 0 ? 1 : step;
    }
    (void)fputc('"', to);
}

void wr_json_print_time(FILE *to, weir_time time)
{
    char text[WEIR_TIME_TEXT_MAX];
    if (time < TIMES_FIRST) {
        (void)fputs("null", to);
    } else if (time >= TIMES_END) {
        (void)fputs("\"end\"", to);
    } else {
        (void)weir_time_format(time, text);
        (void)fprintf(to, "\"%s\"", text);
    }
}

const char *wr_time_text(weir_time time, char *to)
{
    if (time < TIMES_FIRST || time >= TIMES_END) {
        (void)snprintf(to, WEIR_TIME_TEXT_MAX, "%s", time < TIMES_FIRST ? "none" : "end");
    } else {
        (void)weir_time_format(time, to);
    }
    return to;
}
