// The files of the disk in memory.
#include "runtime/base/disk.h"

#include <unistd.h>

struct wr_disk_file *wr_disk_file_open(void)
{
    struct wr_disk_file *file = wr_alloc(sizeof(*file));
    file->reference_count     = 1;
    file->shared              = -1;
    return file;
}

void wr_disk_file_hold(struct wr_disk_file *file) { file->reference_count++; }

void wr_disk_file_release(struct wr_disk_file *file)
{
    WR_ASSERT(file->reference_count > 0);
    if (--file->reference_count == 0) {
        if (file->shared >= 0) {
            close(file->shared);
        }
        wr_free(file->bytes);
        wr_free(file->dirty);
        wr_free(file->synced);
        wr_free(file->lent);
        wr_free(file);
    }
}

// ---- memory ----

static uint64_t file_block_count(const struct wr_disk_file *file)
{
    return file->capacity / WR_DISK_BLOCK;
}

static char *bytes_grow(char *bytes, uint64_t from, uint64_t to)
{
    bytes = wr_realloc(bytes, to);
    memset(bytes + from, 0, to - from);
    return bytes;
}

static void file_reserve(struct wr_disk_file *file, uint64_t size)
{
    if (size <= file->capacity) {
        return;
    }
    const uint64_t before   = file_block_count(file);
    const uint64_t doubled  = file->capacity * 2;
    const uint64_t capacity = wr_round_up(size > doubled ? size : doubled, WR_DISK_BLOCK);
    file->bytes             = bytes_grow(file->bytes, file->capacity, capacity);
    file->capacity          = capacity;
    file->dirty             = wr_realloc(file->dirty, file_block_count(file) * sizeof(bool));
    memset(file->dirty + before, 0, (file_block_count(file) - before) * sizeof(bool));
}

static void synced_reserve(struct wr_disk_file *file)
{
    if (file->synced_capacity < file->capacity) {
        file->synced          = bytes_grow(file->synced, file->synced_capacity, file->capacity);
        file->synced_capacity = file->capacity;
    }
}

// ---- lending ----

// Brings what a test changed in the bytes it was lent onto the disk.
static void lent_settle(struct wr_disk_file *file)
{
    for (uint64_t i = 0; file->lent != NULL && i < file->lent_size; i++) {
        if (file->bytes[i] != file->lent[i] && i < file->synced_size) {
            file->synced[i] = file->bytes[i];
        }
        file->lent[i] = file->bytes[i];
    }
}

// The same, and they are lent no more.
static void lent_end(struct wr_disk_file *file)
{
    lent_settle(file);
    wr_free(file->lent);
    file->lent = NULL;
}

char *wr_disk_file_lend(struct wr_disk_file *file)
{
    lent_end(file);
    file_reserve(file, 1);
    synced_reserve(file);
    file->lent      = wr_alloc(file->size + 1);
    file->lent_size = file->size;
    memcpy(file->lent, file->bytes, file->size);
    return file->bytes;
}

// ---- reading ----

static size_t bytes_read(const char *from, uint64_t size, void *buffer, size_t bytes,
                         uint64_t offset)
{
    const uint64_t there = offset < size ? size - offset : 0;
    const size_t   got   = bytes < there ? bytes : (size_t)there;
    if (got > 0) {
        memcpy(buffer, from + offset, got);
    }
    return got;
}

size_t wr_disk_file_read(const struct wr_disk_file *file, void *buffer, size_t bytes,
                         uint64_t offset)
{
    return bytes_read(file->bytes, file->size, buffer, bytes, offset);
}

size_t wr_disk_file_read_synced(struct wr_disk_file *file, void *buffer, size_t bytes,
                                uint64_t offset)
{
    lent_settle(file);
    return bytes_read(file->synced, file->synced_size, buffer, bytes, offset);
}

// ---- changing ----

static uint64_t in_blocks(uint64_t bytes) { return wr_round_up(bytes, WR_DISK_BLOCK); }

// Marks the blocks of the bytes [from, to).
static void file_mark_dirty(struct wr_disk_file *file, uint64_t from, uint64_t to)
{
    for (uint64_t i = from / WR_DISK_BLOCK; i * WR_DISK_BLOCK < to; i++) {
        file->dirty[i] = true;
    }
}

static void file_set_size(struct wr_disk_file *file, uint64_t size)
{
    file->size_is_dirty |= size != file->size;
    file->size = size;
}

void wr_disk_file_write(struct wr_disk_file *file, const void *buffer, size_t bytes,
                        uint64_t offset)
{
    lent_end(file);
    if (bytes == 0) {
        return;
    }
    const uint64_t end = offset + bytes;
    file_reserve(file, end);
    memcpy(file->bytes + offset, buffer, bytes);
    file_mark_dirty(file, offset, end); // what lies between is a hole, zero here and on the disk
    file_set_size(file, end > file->size ? end : file->size);
    file->size_is_dirty |= end > file->synced_size; // even where an earlier sync lost the size
    file->room = end > file->room ? in_blocks(end) : file->room;
}

void wr_disk_file_truncate(struct wr_disk_file *file, uint64_t size)
{
    lent_end(file);
    const uint64_t low  = size < file->size ? size : file->size;
    const uint64_t high = size < file->size ? file->size : size;
    file_reserve(file, high);
    if (high > low) {
        memset(file->bytes + low, 0, high - low);
        file_mark_dirty(file, low, high);
    }
    file->room = size < file->size && in_blocks(size) < file->room ? in_blocks(size) : file->room;
    file_set_size(file, size);
}

void wr_disk_file_preallocate(struct wr_disk_file *file, uint64_t bytes)
{
    lent_end(file);
    file_reserve(file, bytes);
    file_set_size(file, bytes > file->size ? bytes : file->size);
    file->room = bytes > file->room ? in_blocks(bytes) : file->room;
}

// ---- syncs and crashes ----

static void file_mark_clean(struct wr_disk_file *file)
{
    if (file->dirty != NULL) {
        memset(file->dirty, 0, file_block_count(file) * sizeof(bool));
    }
    file->size_is_dirty = false;
}

// Zeros what lies in `synced` behind its size.
static void synced_cut(struct wr_disk_file *file)
{
    if (file->synced_capacity > file->synced_size) {
        memset(file->synced + file->synced_size, 0, file->synced_capacity - file->synced_size);
    }
}

void wr_disk_file_sync(struct wr_disk_file *file)
{
    lent_settle(file);
    synced_reserve(file);
    for (uint64_t i = 0; i < file_block_count(file); i++) {
        if (file->dirty[i]) {
            memcpy(file->synced + i * WR_DISK_BLOCK, file->bytes + i * WR_DISK_BLOCK,
                   WR_DISK_BLOCK);
        }
    }
    file->synced_size = file->size_is_dirty ? file->size : file->synced_size;
    synced_cut(file);
    file_mark_clean(file);
}

void wr_disk_file_lose(struct wr_disk_file *file)
{
    lent_settle(file);
    file_mark_clean(file);
}

// How many bytes of a dirty block reached the disk: none, all, or some sectors.
static size_t block_bytes_written(uint64_t *random)
{
    const uint64_t sectors = WR_DISK_BLOCK / WR_DISK_SECTOR;
    const uint64_t drawn   = wr_draw(random);
    switch (drawn % 3) {
    case 0: return 0;
    case 1: return WR_DISK_BLOCK;
    default: return WR_DISK_SECTOR * (size_t)(1 + (drawn >> 32) % (sectors - 1));
    }
}

void wr_disk_file_crash(struct wr_disk_file *file, uint64_t *random)
{
    lent_end(file);
    synced_reserve(file);
    for (uint64_t i = 0; i < file_block_count(file); i++) {
        if (file->dirty[i]) {
            memcpy(file->synced + i * WR_DISK_BLOCK, file->bytes + i * WR_DISK_BLOCK,
                   block_bytes_written(random));
        }
    }
    if (file->size_is_dirty && wr_draw(random) % 2 == 0) {
        file->synced_size = file->size;
    }
    synced_cut(file);
    file_mark_clean(file);
    if (file->capacity > 0) {
        memcpy(file->bytes, file->synced, file->capacity);
    }
    file->size = file->synced_size;
    file->room = in_blocks(file->size);
    if (file->shared >= 0) {
        close(file->shared);
        file->shared = -1;
    }
}

uint32_t wr_disk_file_dirty_count(const struct wr_disk_file *file)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < file_block_count(file); i++) {
        count += file->dirty[i];
    }
    return count;
}
