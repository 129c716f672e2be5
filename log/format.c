// Segment headers, batch headers and the footer's index, to bytes and back. See format.h for what
// lies where.
//
// Whoever decodes has bytes that anything may have happened to: each field that makes no sense is
// refused with a reason, also behind a right checksum.
#include "log/format.h"

#include <weir/log.h>

#define SEGMENT_MAGIC 0x3167657372696577u // "weirseg1"
#define BATCH_MAGIC   0x31627277u         // "wrb1"

#define SEGMENT_USED_BYTES 76u // of the header; zeros follow
#define ENTRY_BYTES        24u
#define TOTALS_BYTES       72u
#define TAIL_BYTES         8u

static void put_u8(char *to, size_t at, uint8_t value) { memcpy(to + at, &value, 1); }
static void put_u16(char *to, size_t at, uint16_t value) { memcpy(to + at, &value, 2); }
static void put_u32(char *to, size_t at, uint32_t value) { memcpy(to + at, &value, 4); }
static void put_u64(char *to, size_t at, uint64_t value) { memcpy(to + at, &value, 8); }
static void put_time(char *to, size_t at, weir_time value) { memcpy(to + at, &value, 8); }

static uint8_t take_u8(const char *from, size_t at)
{
    uint8_t value;
    memcpy(&value, from + at, 1);
    return value;
}

static uint16_t take_u16(const char *from, size_t at)
{
    uint16_t value;
    memcpy(&value, from + at, 2);
    return value;
}

static uint32_t take_u32(const char *from, size_t at)
{
    uint32_t value;
    memcpy(&value, from + at, 4);
    return value;
}

static uint64_t take_u64(const char *from, size_t at)
{
    uint64_t value;
    memcpy(&value, from + at, 8);
    return value;
}

static weir_time take_time(const char *from, size_t at)
{
    weir_time value;
    memcpy(&value, from + at, 8);
    return value;
}

static bool is_zeros(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool is_time(weir_time time) { return time >= WEIR_TIME_MIN && time <= WEIR_TIME_MAX; }

uint32_t wr_log_crc_seed(const struct wr_log_place *place)
{
    char bytes[36];
    memcpy(bytes, place->log.bytes, 16);
    memcpy(bytes + 16, place->topic.bytes, 16);
    put_u32(bytes, 32, place->partition);
    const uint32_t seed = wr_crc32c(0, bytes, sizeof(bytes));
    return seed != 0 ? seed : 1;
}

// ---- segment headers ----

void wr_segment_header_encode(const struct wr_segment_header *header, uint32_t seed, char *to)
{
    memset(to, 0, WR_SEGMENT_HEADER_BYTES);
    put_u64(to, 0, SEGMENT_MAGIC);
    put_u32(to, 12, header->format);
    memcpy(to + 16, header->log.bytes, 16);
    memcpy(to + 32, header->topic.bytes, 16);
    put_u32(to, 48, header->partition);
    put_u32(to, 52, header->epoch);
    put_u64(to, 56, header->base_offset);
    put_time(to, 64, header->created);
    put_u32(to, 72, header->generation);
    put_u32(to, 8, wr_crc32c(seed, to + 12, WR_SEGMENT_HEADER_BYTES - 12));
}

static void segment_header_read(const char *from, struct wr_segment_header *header)
{
    header->format = take_u32(from, 12);
    memcpy(header->log.bytes, from + 16, 16);
    memcpy(header->topic.bytes, from + 32, 16);
    header->partition   = take_u32(from, 48);
    header->epoch       = take_u32(from, 52);
    header->base_offset = take_u64(from, 56);
    header->created     = take_time(from, 64);
    header->generation  = take_u32(from, 72);
}

// Why the header is not the segment's, or NULL.
static const char *segment_header_fault(const char *from, uint32_t seed,
                                        const struct wr_segment_header *header)
{
    if (take_u64(from, 0) != SEGMENT_MAGIC) {
        return "it does not begin as a segment does";
    }
    const struct wr_log_place place = { header->log, header->topic, header->partition };
    const uint32_t            crc   = take_u32(from, 8);
    const uint32_t            own   = wr_log_crc_seed(&place);
    if (crc != wr_crc32c(own, from + 12, WR_SEGMENT_HEADER_BYTES - 12)) {
        return "the checksum of the segment header is wrong";
    }
    if (own != seed) {
        return "it is a segment of another log, topic or partition";
    }
    if (header->format != WR_LOG_FORMAT) {
        return "it is of a format that this version does not know";
    }
    if (!is_zeros(from + SEGMENT_USED_BYTES, WR_SEGMENT_HEADER_BYTES - SEGMENT_USED_BYTES)) {
        return "the end of the segment header is not zeros";
    }
    return is_time(header->created) ? NULL : "the segment was created at no possible time";
}

bool wr_segment_header_decode(const char *from, uint32_t seed, struct wr_segment_header *header,
                              const char **reason)
{
    segment_header_read(from, header);
    *reason = segment_header_fault(from, seed, header);
    return *reason == NULL;
}

// ---- batch headers ----

void wr_batch_header_encode(const struct wr_log_batch_header *header, uint32_t seed, char *to)
{
    put_u32(to, 0, BATCH_MAGIC);
    put_u32(to, 8, header->bytes);
    put_u32(to, 12, header->payload_crc);
    put_u64(to, 16, header->base_offset);
    put_u32(to, 24, header->rows);
    put_u32(to, 28, header->span);
    put_u32(to, 32, header->epoch);
    put_u16(to, 36, header->schema);
    put_u8(to, 38, header->kind);
    put_u8(to, 39, header->compression);
    put_u32(to, 40, header->flags);
    put_u32(to, 44, header->unpacked_bytes);
    put_u64(to, 48, header->durable_upto);
    put_u64(to, 56, header->transaction);
    put_time(to, 64, header->least_time);
    put_time(to, 72, header->greatest_time);
    put_time(to, 80, header->appended);
    put_u64(to, 88, header->cut);
    put_u32(to, 4, wr_crc32c(seed, to + 8, WR_BATCH_HEADER_BYTES - 8));
}

static void batch_header_read(const char *from, struct wr_log_batch_header *header)
{
    header->bytes          = take_u32(from, 8);
    header->payload_crc    = take_u32(from, 12);
    header->base_offset    = take_u64(from, 16);
    header->rows           = take_u32(from, 24);
    header->span           = take_u32(from, 28);
    header->epoch          = take_u32(from, 32);
    header->schema         = take_u16(from, 36);
    header->kind           = take_u8(from, 38);
    header->compression    = take_u8(from, 39);
    header->flags          = take_u32(from, 40);
    header->unpacked_bytes = take_u32(from, 44);
    header->durable_upto   = take_u64(from, 48);
    header->transaction    = take_u64(from, 56);
    header->least_time     = take_time(from, 64);
    header->greatest_time  = take_time(from, 72);
    header->appended       = take_time(from, 80);
    header->cut            = take_u64(from, 88);
}

uint32_t wr_batch_payload_crc(const char *payload, size_t bytes, uint32_t seed)
{
    return wr_crc32c(seed, payload, bytes);
}

// Which flags a kind may have.
static uint32_t flags_of_kind(uint8_t kind)
{
    switch (kind) {
    case WR_BATCH_ROWS: return WR_BATCH_HAS_DELTAS | WR_BATCH_HAS_CHANGES;
    case WR_BATCH_MARK: return WR_BATCH_IS_CLEAN;
    default: return 0;
    }
}

static const char *lengths_fault(const struct wr_log_batch_header *header)
{
    if (header->bytes % WR_BATCH_ALIGN != 0 || header->bytes < WR_BATCH_HEADER_BYTES) {
        return "the batch's length is no multiple of 32, or too small for a header";
    }
    if (header->bytes > WR_BATCH_BYTES_MAX ||
        header->unpacked_bytes > WR_BATCH_BYTES_MAX - WR_BATCH_HEADER_BYTES) {
        return "the batch is longer than any may be";
    }
    const size_t plain =
        wr_round_up(WR_BATCH_HEADER_BYTES + (size_t)header->unpacked_bytes, WR_BATCH_ALIGN);
    if (header->compression == WEIR_COMPRESSION_NONE && header->bytes != plain) {
        return "the batch's length is not that of its payload";
    }
    if (header->compression != WEIR_COMPRESSION_NONE && header->bytes >= plain) {
        return "the batch is compressed to no less than it was";
    }
    return NULL;
}

static const char *rows_fault(const struct wr_log_batch_header *header)
{
    if (header->span == 0) {
        return "a batch of rows covers no offset";
    }
    if (header->rows > header->span) {
        return "the batch has more rows than offsets";
    }
    if (header->base_offset > UINT64_MAX - header->span) {
        return "the batch's offsets are past the last there is";
    }
    const bool has_no_times =
        header->least_time == WEIR_TIME_MAX && header->greatest_time == WEIR_TIME_MIN;
    if (header->rows > 0 && header->least_time > header->greatest_time && !has_no_times) {
        return "the batch's least time is after its greatest";
    }
    return NULL;
}

static const char *rowless_fault(const struct wr_log_batch_header *header)
{
    if (header->rows != 0 || header->span != 0) {
        return "a mark or footer has rows";
    }
    if (header->transaction != 0 || header->compression != WEIR_COMPRESSION_NONE) {
        return "a mark or footer is compressed, or of a transaction";
    }
    if (header->kind == WR_BATCH_MARK && header->unpacked_bytes != 0) {
        return "a mark has a payload";
    }
    if (header->kind == WR_BATCH_FOOTER &&
        (header->bytes != WR_BATCH_HEADER_BYTES + header->unpacked_bytes ||
         header->unpacked_bytes < TOTALS_BYTES + TAIL_BYTES)) {
        return "the footer's length is that of no footer";
    }
    return NULL;
}

// Why the fields of the header make no sense together, or NULL.
static const char *batch_header_fault(const struct wr_log_batch_header *header)
{
    if (header->kind < WR_BATCH_ROWS || header->kind > WR_BATCH_FOOTER) {
        return "the batch is of no known kind";
    }
    if (header->compression > WEIR_COMPRESSION_ZSTD) {
        return "the batch is compressed in no known way";
    }
    if ((header->flags & ~flags_of_kind(header->kind)) != 0) {
        return "the batch has a flag that its kind has not";
    }
    if (!is_time(header->least_time) || !is_time(header->greatest_time) ||
        !is_time(header->appended)) {
        return "the batch has an impossible time";
    }
    const char *fault = lengths_fault(header);
    if (fault == NULL) {
        fault = header->kind == WR_BATCH_ROWS ? rows_fault(header) : rowless_fault(header);
    }
    return fault;
}

static enum wr_batch_check refuse(struct wr_log_batch_header *header, enum wr_batch_check check,
                                  const char **reason, const char *why)
{
    *header = (struct wr_log_batch_header){ 0 };
    *reason = why;
    return check;
}

enum wr_batch_check wr_batch_header_decode(const char *from, size_t length, uint32_t seed,
                                           struct wr_log_batch_header *header, const char **reason)
{
    if (length < WR_BATCH_HEADER_BYTES) {
        return refuse(header, WR_BATCH_SHORT, reason, "it ends within a batch header");
    }
    if (take_u32(from, 0) != BATCH_MAGIC) {
        return is_zeros(from, WR_BATCH_HEADER_BYTES)
                   ? refuse(header, WR_BATCH_ZEROS, reason, "zeros where a batch may begin")
                   : refuse(header, WR_BATCH_INVALID, reason, "it does not begin as a batch does");
    }
    if (take_u32(from, 4) != wr_crc32c(seed, from + 8, WR_BATCH_HEADER_BYTES - 8)) {
        return refuse(header, WR_BATCH_INVALID, reason,
                      "the checksum of the batch header is wrong");
    }
    batch_header_read(from, header);
    const char *const fault = batch_header_fault(header);
    if (fault != NULL) {
        return refuse(header, WR_BATCH_INVALID, reason, fault);
    }
    const bool is_short = header->bytes > length;
    *reason             = is_short ? "it ends within a batch" : NULL;
    return is_short ? WR_BATCH_SHORT : WR_BATCH_VALID;
}

bool wr_batch_payload_is_valid(const char *from, const struct wr_log_batch_header *header,
                               uint32_t seed)
{
    return header->payload_crc == wr_batch_payload_crc(from + WR_BATCH_HEADER_BYTES,
                                                       header->bytes - WR_BATCH_HEADER_BYTES, seed);
}

// ---- the footer's index ----

void wr_segment_index_init(struct wr_segment_index *index, uint64_t base_offset)
{
    *index = (struct wr_segment_index){ .stride         = WR_INDEX_STRIDE,
                                        .end_offset     = base_offset,
                                        .bytes          = WR_SEGMENT_HEADER_BYTES,
                                        .least_time     = WEIR_TIME_MAX,
                                        .greatest_time  = WEIR_TIME_MIN,
                                        .first_appended = WEIR_TIME_MAX,
                                        .last_appended  = WEIR_TIME_MIN };
}

void wr_segment_index_fini(struct wr_segment_index *index)
{
    wr_free(index->entries);
    *index = (struct wr_segment_index){ 0 };
}

// Keeps every other entry; `latest` is of all batches before, so that it stays right.
static void index_thin_out(struct wr_segment_index *index)
{
    const uint32_t kept = (index->count + 1) / 2;
    for (uint32_t i = 0; i < kept; i++) {
        index->entries[i] = index->entries[2 * (size_t)i];
    }
    index->count = kept;
    index->stride *= 2;
}

static void index_add_entry(struct wr_segment_index *index, uint64_t offset, uint64_t position)
{
    if (index->count > 0 && position - index->entries[index->count - 1].position < index->stride) {
        return;
    }
    if (index->count == WR_INDEX_ENTRIES_MAX) {
        index_thin_out(index);
    }
    if (index->count == index->capacity) {
        index->capacity = index->capacity > 0 ? index->capacity * 2 : 16;
        index->entries  = wr_realloc(index->entries, index->capacity * sizeof(*index->entries));
    }
    index->entries[index->count++] =
        (struct wr_index_entry){ offset, position, index->greatest_time };
}

static uint32_t add_up_to_most(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void wr_segment_index_add(struct wr_segment_index *index, const struct wr_log_batch_header *header,
                          uint64_t position)
{
    WR_ASSERT(position >= index->bytes);
    index->bytes = position + header->bytes;
    if (header->kind != WR_BATCH_ROWS) {
        return;
    }
    WR_ASSERT(header->base_offset >= index->end_offset);
    index_add_entry(index, header->base_offset, position);
    index->end_offset = header->base_offset + header->span;
    index->rows += header->rows;
    if (header->least_time < index->least_time) {
        index->least_time = header->least_time;
    }
    if (header->greatest_time > index->greatest_time) {
        index->greatest_time = header->greatest_time;
    }
    if (header->appended < index->first_appended) {
        index->first_appended = header->appended;
    }
    if (header->appended > index->last_appended) {
        index->last_appended = header->appended;
    }
    index->transaction_batches =
        add_up_to_most(index->transaction_batches, header->transaction != 0);
    if ((header->flags & WR_BATCH_HAS_CHANGES) != 0) {
        index->changes = add_up_to_most(index->changes, header->rows);
    }
}

static size_t footer_bytes(uint32_t entry_count)
{
    return wr_round_up(WR_BATCH_HEADER_BYTES + (size_t)entry_count * ENTRY_BYTES + TOTALS_BYTES +
                           TAIL_BYTES,
                       WR_BATCH_ALIGN);
}

static void totals_put(const struct wr_segment_index *index, char *to)
{
    put_u64(to, 0, index->end_offset);
    put_u64(to, 8, index->rows);
    put_u64(to, 16, index->bytes);
    put_time(to, 24, index->least_time);
    put_time(to, 32, index->greatest_time);
    put_time(to, 40, index->first_appended);
    put_time(to, 48, index->last_appended);
    put_u32(to, 56, index->transaction_batches);
    put_u32(to, 60, index->changes);
    put_u32(to, 64, index->count);
}

static void totals_take(const char *from, struct wr_segment_index *index)
{
    index->end_offset          = take_u64(from, 0);
    index->rows                = take_u64(from, 8);
    index->bytes               = take_u64(from, 16);
    index->least_time          = take_time(from, 24);
    index->greatest_time       = take_time(from, 32);
    index->first_appended      = take_time(from, 40);
    index->last_appended       = take_time(from, 48);
    index->transaction_batches = take_u32(from, 56);
    index->changes             = take_u32(from, 60);
    index->count               = take_u32(from, 64);
}

char *wr_footer_encode(const struct wr_segment_index    *index,
                       const struct wr_log_batch_header *header, uint32_t seed, size_t *bytes)
{
    const size_t whole  = footer_bytes(index->count);
    char *const  footer = wr_alloc_aligned(whole, 64);
    char        *to     = footer + WR_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < index->count; i++, to += ENTRY_BYTES) {
        put_u64(to, 0, index->entries[i].offset);
        put_u64(to, 8, index->entries[i].position);
        put_time(to, 16, index->entries[i].latest);
    }
    totals_put(index, footer + whole - TAIL_BYTES - TOTALS_BYTES);
    put_u32(footer, whole - 8, (uint32_t)whole);
    put_u32(footer, whole - 4, WR_FOOTER_MAGIC);

    const size_t                     payload = whole - WR_BATCH_HEADER_BYTES;
    const struct wr_log_batch_header full    = {
           .bytes          = (uint32_t)whole,
           .payload_crc    = wr_batch_payload_crc(footer + WR_BATCH_HEADER_BYTES, payload, seed),
           .base_offset    = index->end_offset,
           .epoch          = header->epoch,
           .kind           = WR_BATCH_FOOTER,
           .unpacked_bytes = (uint32_t)payload,
           .durable_upto   = header->durable_upto,
           .least_time     = WEIR_TIME_MAX,
           .greatest_time  = WEIR_TIME_MIN,
           .appended       = header->appended,
           .cut            = header->cut,
    };
    wr_batch_header_encode(&full, seed, footer);
    *bytes = whole;
    return footer;
}

static bool entries_are_sound(const struct wr_segment_index *index)
{
    uint64_t  offset   = 0;
    uint64_t  position = WR_SEGMENT_HEADER_BYTES;
    weir_time latest   = WEIR_TIME_MIN;
    for (uint32_t i = 0; i < index->count; i++) {
        const struct wr_index_entry *entry = &index->entries[i];
        if (entry->offset < offset || entry->offset >= index->end_offset ||
            entry->position < position || entry->position % WR_BATCH_ALIGN != 0 ||
            entry->position >= index->bytes || entry->latest < latest ||
            entry->latest > index->greatest_time) {
            return false;
        }
        offset   = entry->offset + 1;
        position = entry->position + WR_BATCH_HEADER_BYTES;
        latest   = entry->latest;
    }
    return true;
}

static bool totals_are_sound(const struct wr_segment_index    *index,
                             const struct wr_log_batch_header *header)
{
    return index->end_offset == header->base_offset && index->rows <= index->end_offset &&
           index->bytes >= WR_SEGMENT_HEADER_BYTES && index->bytes % WR_BATCH_ALIGN == 0 &&
           is_time(index->least_time) && is_time(index->greatest_time) &&
           is_time(index->first_appended) && is_time(index->last_appended) &&
           (index->count > 0 || index->rows == 0);
}

bool wr_footer_decode(const char *from, const struct wr_log_batch_header *header,
                      struct wr_segment_index *index)
{
    *index = (struct wr_segment_index){ .stride = WR_INDEX_STRIDE };
    if (header->kind != WR_BATCH_FOOTER || header->bytes < footer_bytes(0)) {
        return false;
    }
    const char *const totals = from + header->bytes - TAIL_BYTES - TOTALS_BYTES;
    totals_take(totals, index);
    index->capacity       = index->count;
    const bool is_counted = index->count <= WR_INDEX_ENTRIES_MAX &&
                            header->bytes == footer_bytes(index->count) &&
                            take_u32(totals, 68) == 0 && take_u32(totals, 72) == header->bytes &&
                            take_u32(totals, 76) == WR_FOOTER_MAGIC;
    if (is_counted) {
        const char *at = from + WR_BATCH_HEADER_BYTES;
        index->entries = wr_alloc(index->count * sizeof(*index->entries));
        for (uint32_t i = 0; i < index->count; i++, at += ENTRY_BYTES) {
            index->entries[i] =
                (struct wr_index_entry){ take_u64(at, 0), take_u64(at, 8), take_time(at, 16) };
        }
        if (is_zeros(at, (size_t)(totals - at)) && totals_are_sound(index, header) &&
            entries_are_sound(index)) {
            return true;
        }
    }
    wr_segment_index_fini(index);
    return false;
}
