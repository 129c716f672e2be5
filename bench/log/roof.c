// What the machine can do without a log: the disk's own rate, copying, scanning.
#include "bench/log/log_bench.h"

#include "bench/harness/clock.h"

#include <fcntl.h>
#include <ftw.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)
#define SCAN_BYTES  (256u << 10)

static bool complain(const char *what)
{
    perror(what);
    return false;
}

static char *buffer_make(size_t bytes)
{
    char *buffer = aligned_alloc(4096, bytes);
    if (buffer == NULL) {
        abort();
    }
    memset(buffer, 1, bytes);
    return buffer;
}

static int file_make(const struct log_bench *bench, uint64_t bytes)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/roof", bench->directory);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || fallocate(file, 0, 0, (off_t)bytes) != 0 || fsync(file) != 0) {
        (void)complain(path);
        return -1;
    }
    return file;
}

bool roof_disk(const struct log_bench *bench, double *records_per_second)
{
    const uint64_t bytes   = (bench->records * sizeof(log_record) / PIECE_BYTES + 1) * PIECE_BYTES;
    const int      file    = file_make(bench, bytes);
    char          *piece   = buffer_make(PIECE_BYTES);
    bool           is_good = file >= 0;
    const int64_t  start   = clock_now_ns();
    for (uint64_t at = 0; at < bytes && is_good; at += PIECE_BYTES) {
        is_good = pwrite(file, piece, PIECE_BYTES, (off_t)at) == (ssize_t)PIECE_BYTES &&
                  fdatasync(file) == 0;
    }
    const double seconds = (double)(clock_now_ns() - start) / 1e9;
    *records_per_second  = (double)bytes / sizeof(log_record) / seconds;
    free(piece);
    return (file < 0 || close(file) == 0) && (is_good || complain("roof_disk"));
}

bool roof_copy(const struct log_bench *bench, double *records_per_second)
{
    const uint64_t bytes = bench->records * sizeof(log_record);
    char          *from = buffer_make(PIECE_BYTES), *to = buffer_make(PIECE_BYTES);
    unsigned       sum   = 0;
    const int64_t  start = clock_now_ns();
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        memcpy(to, from, PIECE_BYTES);
        sum += crc32_iscsi((unsigned char *)to, (int)PIECE_BYTES, (unsigned)at);
    }
    const double seconds = (double)(clock_now_ns() - start) / 1e9;
    *records_per_second  = (double)bench->records / seconds;
    free(from);
    free(to);
    return sum != 1; // never; so that the sums are made
}

bool roof_commit(const struct log_bench *bench, size_t bytes, double per_second,
                 struct histogram *latency_ns)
{
    bytes                  = (bytes + 31) / 32 * 32;
    const uint64_t count   = (uint64_t)(bench->paced_seconds * per_second) + 1;
    const int      file    = file_make(bench, count * bytes);
    char          *piece   = buffer_make((bytes + 4095) / 4096 * 4096);
    bool           is_good = file >= 0;
    const int64_t  start   = clock_now_ns();
    for (uint64_t i = 0; i < count && is_good; i++) {
        const int64_t due = start + (int64_t)((double)i * 1e9 / per_second);
        while (clock_now_ns() < due) {
        }
        is_good = pwrite(file, piece, bytes, (off_t)(i * bytes)) == (ssize_t)bytes &&
                  fdatasync(file) == 0;
        histogram_record(latency_ns, (uint64_t)(clock_now_ns() - due));
    }
    free(piece);
    return (file < 0 || close(file) == 0) && (is_good || complain("roof_commit"));
}

// ---- the scan: every segment file, read and summed ----

static char    *scan_buffer;
static uint64_t scan_sum;

static int scan_file(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)at;
    const char *dot = strrchr(path, '.');
    if (kind != FTW_F || dot == NULL || strcmp(dot, ".segment") != 0) {
        return 0;
    }
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t   got;
    for (off_t from = 0; file >= 0 && (got = pread(file, scan_buffer, SCAN_BYTES, from)) > 0;
         from += got) {
        for (size_t i = 0; i + 8 <= (size_t)got; i += 8) {
            uint64_t word;
            memcpy(&word, scan_buffer + i, sizeof(word));
            scan_sum += word;
        }
    }
    return file < 0 ? 1 : close(file);
}

bool roof_scan(const struct log_bench *bench, const char *log, double *records_per_second)
{
    scan_buffer           = buffer_make(SCAN_BYTES);
    const int64_t start   = clock_now_ns();
    const bool    is_good = nftw(log, scan_file, 16, FTW_PHYS) == 0;
    *records_per_second   = (double)bench->records / ((double)(clock_now_ns() - start) / 1e9);
    free(scan_buffer);
    return (is_good && scan_sum != 0) || complain("roof_scan");
}
