// values: what people write on the command line (sizes, spans, times, places in a log, delimiters)
// as numbers, and back. All refuse what they do not understand whole.
#ifndef WR_CLI_VALUES_H
#define WR_CLI_VALUES_H

#include <weir/event_time.h>

// "4096", "64KiB", "10GB", "1.5G": kB, MB, GB, TB are powers of 1,000; KiB, MiB, GiB, TiB and K, M,
// G, T powers of 1,024.
bool wr_value_size(const char *text, uint64_t *bytes);
// "7d", "36h", "1d12h", "90m", "30s", "250ms", "10us", "2w"; and "0".
bool wr_value_span(const char *text, weir_time *span);
// RFC 3339, a date ("2026-03-01", midnight in UTC), milliseconds since 1970 (as kcat has it),
// "now", or a span before `now`: "-2h".
bool wr_value_time(const char *text, weir_time now, weir_time *time);
bool wr_value_count(const char *text, uint64_t *count);
// "0", "0,2,5-7", each below 1,024; sets bits.
#define WR_VALUE_PARTITIONS_MAX 1024u
bool wr_value_partitions(const char *text, uint64_t bits[WR_VALUE_PARTITIONS_MAX / 64]);

// A place in a partition, as kcat's -o has it: beginning, end, stored, 17, -10 (before the end),
// s@TIME, or e@TIME, which is where to end and not where to begin.
enum wr_place_kind {
    WR_PLACE_NONE,
    WR_PLACE_BEGINNING,
    WR_PLACE_END,
    WR_PLACE_STORED,
    WR_PLACE_OFFSET,
    WR_PLACE_BACK,
    WR_PLACE_TIME,
    WR_PLACE_UNTIL
};
struct wr_place {
    enum wr_place_kind kind;
    uint64_t           offset; // or how many records back
    weir_time          time;
};
bool wr_value_place(const char *text, weir_time now, struct wr_place *place);

// Bytes with the escapes \n \r \t \0 \\ \xNN taken for what they are. `to` has room for as many
// bytes as the text has; *length is set.
bool wr_value_bytes(const char *text, char *to, size_t *length);

#define WR_VALUE_TEXT_MAX 48
// "1.5 GiB", "7d", into WR_VALUE_TEXT_MAX bytes; return `to`.
const char *wr_value_size_text(uint64_t bytes, char *to);
const char *wr_value_span_text(weir_time span, char *to);

#endif // WR_CLI_VALUES_H
