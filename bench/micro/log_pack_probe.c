// How fast rows become batches and batches rows: fixed rows of 48 bytes, and the same with two
// strings; one thread, batches of 1 MiB.
//
// usage: log_pack_probe [--small]
//
// Prints GB/s of unpacked payload: adding rows to a builder, in order and picked; the checksum;
// finishing a batch, checksum included; unpacking in place; and each way of compressing, both ways.
// Beside them what memcpy does with the same rows. Then the same as one line of JSON.
#include "bench/harness/clock.h"
#include "log/pack.h"

#include <stdio.h>

#define TARGET (1u << 20)

typedef struct fixed {
    weir_time at;
    uint64_t  card_id;
    int64_t   cents;
    uint64_t  more[3];
} fixed;
WEIR_RECORD(fixed, at, card_id, cents, more);

typedef struct texts {
    weir_time at;
    uint64_t  card_id;
    weir_str  place;
    weir_str  note;
} texts;
WEIR_RECORD(texts, at, card_id, place, note);

struct spans {
    int64_t  add, finish, unpack;
    uint64_t bytes; // of unpacked payloads
    uint64_t packed_bytes;
    uint64_t checksum;
};

static double per_ns(uint64_t bytes, int64_t ns)
{
    return (double)bytes / (double)(ns > 0 ? ns : 1);
}

// Packs and unpacks `rounds` batches of the rows.
static struct spans measure(const weir_type *type, const void *rows, const uint32_t *picks,
                            size_t count, weir_compression compression, uint32_t rounds)
{
    struct wr_row_shape     shape;
    struct wr_batch_builder builder;
    struct spans            spans    = { 0 };
    char                   *buffer   = NULL;
    size_t                  capacity = 0;
    wr_row_shape_init(&shape, type, "at");
    wr_batch_builder_init(&builder, &shape, TARGET);
    for (uint32_t i = 0; i < rounds; i++) {
        struct wr_log_batch_header header = { 0 };
        struct wr_unpacked         unpacked;
        bool                       is_too_long;
        const char                *reason;
        const int64_t              begin = clock_now_ns();
        if (picks != NULL) {
            wr_batch_builder_add_picked(&builder, rows, NULL, picks, count, &is_too_long);
        } else {
            wr_batch_builder_add(&builder, rows, NULL, count, &is_too_long);
        }
        const int64_t added    = clock_now_ns();
        char *const   batch    = wr_batch_builder_finish(&builder, compression, 1, &header);
        const int64_t finished = clock_now_ns();
        WR_ASSERT(wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, &header, &shape, &buffer,
                                  &capacity, &unpacked, &reason));
        spans.add += added - begin;
        spans.finish += finished - added;
        spans.unpack += clock_now_ns() - finished;
        spans.bytes += header.unpacked_bytes;
        spans.packed_bytes += header.bytes;
        spans.checksum += header.payload_crc + (uint8_t)unpacked.rows[i % type->size];
        wr_free(batch);
    }
    wr_free(buffer);
    wr_batch_builder_fini(&builder);
    wr_row_shape_fini(&shape);
    return spans;
}

static void print_spans(const char *name, const struct spans *spans)
{
    printf("%-22s add %6.2f, finish %6.2f, unpack %6.2f GB/s; %4.0f %% of the bytes\n", name,
           per_ns(spans->bytes, spans->add), per_ns(spans->bytes, spans->finish),
           per_ns(spans->bytes, spans->unpack),
           100 * (double)spans->packed_bytes / (double)spans->bytes);
}

static double measure_memcpy(const char *rows, uint32_t rounds)
{
    char *const to  = wr_alloc_unset(TARGET, 64);
    uint64_t    sum = 0;
    memset(to, 0, TARGET);
    const int64_t begin = clock_now_ns();
    for (uint32_t i = 0; i < rounds; i++) {
        memcpy(to, rows, TARGET / 2);
        sum += (uint8_t)to[i % (TARGET / 2)];
    }
    const double rate = per_ns((uint64_t)rounds * (TARGET / 2), clock_now_ns() - begin);
    printf("memcpy %.2f GB/s (%llu)\n", rate, (unsigned long long)sum);
    wr_free(to);
    return rate;
}

static double measure_crc(const char *rows, uint32_t rounds)
{
    uint32_t      crc   = 1;
    const int64_t begin = clock_now_ns();
    for (uint32_t i = 0; i < rounds; i++) {
        crc = wr_batch_payload_crc(rows, TARGET / 2, crc);
    }
    const double rate = per_ns((uint64_t)rounds * (TARGET / 2), clock_now_ns() - begin);
    printf("checksum %.2f GB/s (%u)\n", rate, crc);
    return rate;
}

static fixed   *fixed_rows;
static texts   *text_rows;
static uint32_t picks[TARGET / 48];

static void make_rows(void)
{
    static const char words[] = "Gare du Nord, platform 12, second coach from the front";
    const size_t      count   = WR_COUNT_OF(picks);
    fixed_rows                = wr_alloc_aligned(count * sizeof(fixed), 64);
    text_rows                 = wr_alloc_aligned(count * sizeof(texts), 64);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t random = wr_mix64(i, 3);
        fixed_rows[i] = (fixed){ i, random % 100000, (int64_t)(random >> 50), { i % 7, 0, 1 } };
        text_rows[i]  = (texts){ i, random % 100000, weir_str_of(words, 8 + random % 20),
                                 weir_str_of(words + 5, random >> 32 & 31) };
        picks[i]      = (uint32_t)(random % count);
    }
}

int main(int argc, char **argv)
{
    const bool     is_small = argc > 1 && strcmp(argv[1], "--small") == 0;
    const uint32_t rounds   = is_small ? 5 : 500;
    const size_t   count    = WR_COUNT_OF(picks);
    make_rows();
    const char  *bytes  = (const char *)fixed_rows;
    const double copied = measure_memcpy(bytes, rounds);
    const double summed = measure_crc(bytes, rounds);

    static const char *const names[] = { "fixed",   "fixed, picked", "fixed, lz4",   "fixed, zstd",
                                         "strings", "strings, lz4",  "strings, zstd" };
    const struct spans       spans[] = {
              measure(&fixed_type, fixed_rows, NULL, count, WEIR_COMPRESSION_NONE, rounds),
              measure(&fixed_type, fixed_rows, picks, count, WEIR_COMPRESSION_NONE, rounds),
              measure(&fixed_type, fixed_rows, NULL, count, WEIR_COMPRESSION_LZ4, rounds),
              measure(&fixed_type, fixed_rows, NULL, count, WEIR_COMPRESSION_ZSTD, rounds),
              measure(&texts_type, text_rows, NULL, count, WEIR_COMPRESSION_NONE, rounds),
              measure(&texts_type, text_rows, NULL, count, WEIR_COMPRESSION_LZ4, rounds),
              measure(&texts_type, text_rows, NULL, count, WEIR_COMPRESSION_ZSTD, rounds),
    };
    uint64_t checksum = 0;
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        print_spans(names[i], &spans[i]);
        checksum += spans[i].checksum;
    }
    printf("{\"bench\":\"log_pack_probe\",\"batch_bytes\":%u,\"rounds\":%u,\"checksum\":%llu"
           ",\"memcpy_gb_per_s\":%.2f,\"crc_gb_per_s\":%.2f",
           TARGET, rounds, (unsigned long long)checksum, copied, summed);
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        printf(",\"%s\":[%.2f,%.2f,%.2f]", names[i], per_ns(spans[i].bytes, spans[i].add),
               per_ns(spans[i].bytes, spans[i].finish), per_ns(spans[i].bytes, spans[i].unpack));
    }
    printf("}\n");
    wr_free(fixed_rows);
    wr_free(text_rows);
    return 0;
}
