// Streams of random lines, fed in random pieces, against the whole stream cut by hand. Every piece
// is copied to a buffer that is exactly as long as promised and is gone after the lines in it were
// used.
#include "connectors/lines/lines.h"
#include "runtime/base/base.h"
#include "tests/support/trial.h"

#define STREAM_MAX ((size_t)6 * WR_LINES_KEPT_BYTES)

struct stream {
    char   bytes[STREAM_MAX];
    size_t length;
    size_t max_line_bytes;
};

static void stream_add(struct stream *stream, struct trial_random *random, size_t length)
{
    if (stream->length + length + 1 > STREAM_MAX) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        stream->bytes[stream->length++] = (char)(11 + trial_below(random, 240));
    }
    stream->bytes[stream->length++] = '\n';
}

// Lines that are short, empty, or about as long as the longest allowed.
static void stream_init(struct stream *stream, struct trial_random *random)
{
    stream->length         = 0;
    stream->max_line_bytes = WR_LINES_KEPT_BYTES + trial_below(random, 3);
    const bool has_long    = trial_one_in(random, 4);
    for (uint32_t i = trial_below(random, 12); i > 0; i--) {
        if (has_long && trial_one_in(random, 3)) {
            stream_add(stream, random, stream->max_line_bytes - 2 + trial_below(random, 5));
        } else {
            stream_add(stream, random, trial_one_in(random, 4) ? 0 : trial_below(random, 60));
        }
    }
    if (stream->length > 0 && trial_one_in(random, 2)) {
        stream->length--; // the end without its newline, if it has a byte
    }
}

struct check {
    const struct stream *stream;
    size_t               at; // where the next line starts
    uint64_t             number;
};

static void check_line(struct check *check, const struct wr_line *line)
{
    const struct stream *const stream = check->stream;
    size_t                     end    = check->at;
    while (end < stream->length && stream->bytes[end] != '\n') {
        end++;
    }
    const size_t length      = end - check->at;
    const bool   is_too_long = length > stream->max_line_bytes;
    const size_t kept_bytes  = is_too_long ? WR_LINES_KEPT_BYTES : length;
    check->number++;
    TRIAL_CHECK(line->number == check->number, "%" PRIu64 " for %" PRIu64, line->number,
                check->number);
    TRIAL_CHECK(line->offset == check->at, "%" PRIu64 " for %zu", line->offset, check->at);
    TRIAL_CHECK(line->length == length, "%zu for %zu", line->length, length);
    TRIAL_CHECK(line->is_too_long == is_too_long, "of %zu bytes", length);
    TRIAL_CHECK(line->is_ended == (end < stream->length), "at %zu of %zu", end, stream->length);
    TRIAL_CHECK(line->kept_bytes == kept_bytes, "%zu for %zu", line->kept_bytes, kept_bytes);
    TRIAL_CHECK(memcmp(line->bytes, stream->bytes + check->at, kept_bytes) == 0, "line %" PRIu64,
                line->number);
    volatile char padding = line->bytes[line->kept_bytes + WR_LINES_PADDING - 1]; // may be read
    (void)padding;
    check->at = end + 1;
}

// Takes all lines that there are, and looks at them when all are taken.
static void take_all(struct wr_lines *lines, struct check *check)
{
    struct wr_line taken[64];
    uint32_t       count = 0;
    while (wr_lines_next(lines, &taken[count])) {
        count++;
        TRIAL_CHECK(count < WR_COUNT_OF(taken), "too many lines");
    }
    for (uint32_t i = 0; i < count; i++) {
        check_line(check, &taken[i]);
    }
}

static void feed(struct wr_lines *lines, struct check *check, const char *bytes, size_t length)
{
    char *const fed = malloc(length + WR_LINES_PADDING);
    memcpy(fed, bytes, length);
    memset(fed + length, '\n', WR_LINES_PADDING);
    wr_lines_feed(lines, fed, length);
    take_all(lines, check);
    free(fed);
}

static void try_once(struct stream *stream, struct trial_random *random)
{
    stream_init(stream, random);
    struct check    check = { .stream = stream };
    struct wr_lines lines;
    wr_lines_init(&lines, &(struct wr_lines_options){ .max_line_bytes = stream->max_line_bytes });
    const uint32_t most = trial_one_in(random, 2) ? STREAM_MAX : 1 + trial_below(random, 200);
    for (size_t at = 0; at < stream->length;) {
        const size_t left   = stream->length - at;
        const size_t piece  = trial_below(random, most + 1);
        const size_t length = piece < left ? piece : left;
        feed(&lines, &check, stream->bytes + at, length);
        at += length;
    }
    wr_lines_end(&lines);
    take_all(&lines, &check);
    TRIAL_CHECK(check.at >= stream->length, "lines up to %zu of %zu", check.at, stream->length);
    TRIAL_CHECK(lines.offset == stream->length, "%" PRIu64 " of %zu", lines.offset, stream->length);
    wr_lines_fini(&lines);
}

int main(int argc, char **argv)
{
    static struct stream stream;
    struct trial_random  random = { trial_seed(argc, argv) };
    const uint64_t       cases  = trial_size(2000, 30000, 300000);
    for (uint64_t i = 0; i < cases; i++) {
        try_once(&stream, &random);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
