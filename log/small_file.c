#include "log/small_file.h"

#include "log/segment.h"
#include "runtime/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LAST_LINE       "crc32c %08x\n"
#define LAST_LINE_BYTES 16u
#define FIRST_READ      4096u

static weir_status file_fail(struct wr_log_error *error, int io_error, const char *path,
                             const char *what)
{
    return wr_log_fail(error, wr_log_status_of(io_error), "%s: cannot %s: %s", path, what,
                       strerror(-io_error));
}

// ---- reading ----

// All bytes of the file, at most one more than a small file has; NULL: *io_error.
static char *bytes_read(struct wr_environment *environment, int file, size_t *length, int *io_error)
{
    size_t capacity = FIRST_READ;
    char  *bytes    = wr_alloc(capacity + 1);
    for (*length = 0; *length <= WR_SMALL_FILE_BYTES_MAX;) {
        if (*length == capacity) {
            capacity *= 2;
            bytes = wr_realloc(bytes, capacity + 1);
        }
        const int64_t got = environment->ops->read_at(environment, file, bytes + *length,
                                                      capacity - *length, (int64_t)*length);
        if (got < 0) {
            wr_free(bytes);
            *io_error = (int)got;
            return NULL;
        }
        if (got == 0) {
            break;
        }
        *length += (size_t)got;
    }
    return bytes;
}

// Whether the bytes end with their checksum; takes that line off then.
static bool text_is_valid(char *bytes, size_t *length, const char *path, struct wr_log_error *error)
{
    if (*length > WR_SMALL_FILE_BYTES_MAX || *length < LAST_LINE_BYTES) {
        (void)wr_log_fail(
            error, WEIR_DAMAGED,
            "%s: it has %s%zu bytes; a file of this kind has %u to %u: put back a copy "
            "of it",
            path, *length > WR_SMALL_FILE_BYTES_MAX ? "at least " : "", *length, LAST_LINE_BYTES,
            WR_SMALL_FILE_BYTES_MAX);
        return false;
    }
    const size_t   text     = *length - LAST_LINE_BYTES;
    const uint32_t expected = wr_crc32c(0, bytes, text);
    char           line[LAST_LINE_BYTES + 1];
    (void)snprintf(line, sizeof(line), LAST_LINE, expected);
    if (memcmp(bytes + text, line, LAST_LINE_BYTES) != 0 || memchr(bytes, 0, text) != NULL ||
        (text > 0 && bytes[text - 1] != '\n')) {
        (void)wr_log_fail(error, WEIR_DAMAGED,
                          "%s: its last line, at byte %zu, is not \"crc32c %08x\", the checksum of "
                          "the lines before: put back a copy of it",
                          path, text, expected);
        return false;
    }
    bytes[text] = 0;
    *length     = text;
    return true;
}

char *wr_small_file_read(struct wr_environment *environment, const char *path, size_t *length,
                         struct wr_log_error *error)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_READ);
    if (file < 0) {
        (void)file_fail(error, file, path, "open it");
        return NULL;
    }
    int   io_error = 0;
    char *bytes    = bytes_read(environment, file, length, &io_error);
    environment->ops->close(environment, file);
    if (bytes == NULL) {
        (void)file_fail(error, io_error, path, "read it");
        return NULL;
    }
    if (!text_is_valid(bytes, length, path, error)) {
        wr_free(bytes);
        return NULL;
    }
    return bytes;
}

// ---- writing ----

// Makes the file with these bytes, on disk. A failed sync is -EIO, whatever it says: it is never
// tried again.
static int bytes_write(struct wr_environment *environment, const char *path, const char *bytes,
                       size_t length)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_WRITE);
    if (file < 0) {
        return file;
    }
    int status = wr_file_write(environment, file, bytes, length, 0);
    if (status == 0 && environment->ops->sync(environment, file) < 0) {
        status = -EIO;
    }
    environment->ops->close(environment, file);
    return status;
}

weir_status wr_small_file_write(struct wr_environment *environment, const char *path,
                                const char *text, struct wr_log_error *error)
{
    const size_t length = strlen(text);
    WR_ASSERT(length + LAST_LINE_BYTES <= WR_SMALL_FILE_BYTES_MAX);
    WR_ASSERT(length == 0 || text[length - 1] == '\n');
    char *const bytes     = wr_format("%s" LAST_LINE, text, wr_crc32c(0, text, length));
    char *const temporary = wr_format("%s.tmp", path);

    int status = bytes_write(environment, temporary, bytes, length + LAST_LINE_BYTES);
    if (status == 0) {
        status = environment->ops->rename(environment, temporary, path);
    }
    if (status < 0) {
        (void)environment->ops->unlink(environment, temporary);
    } else {
        status = wr_file_sync_parent(environment, path);
    }
    wr_free(temporary);
    wr_free(bytes);
    return status < 0 ? file_fail(error, status, path, "write it") : WEIR_OK;
}

// ---- lines ----

void wr_log_id_text(const struct wr_log_id *id, char *text)
{
    for (uint32_t i = 0; i < sizeof(id->bytes); i++) {
        (void)snprintf(text + 2 * (size_t)i, 3, "%02x", id->bytes[i]);
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool wr_log_id_parse(const char *text, struct wr_log_id *id)
{
    for (uint32_t i = 0; i < sizeof(id->bytes); i++, text += 2) {
        const int high = digit_of(text[0]);
        const int low  = high < 0 ? -1 : digit_of(text[1]);
        if (low < 0) {
            return false;
        }
        id->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return *text == 0;
}

bool wr_lines_begin(struct wr_text_lines *lines, char *text, const char *kind, uint64_t format,
                    const char *path, struct wr_log_error *error)
{
    uint64_t found = 0;
    lines->at      = text;
    if (!wr_text_lines_number(lines, kind, UINT32_MAX, &found) || found == 0) {
        (void)wr_lines_fail(path, error);
        return false;
    }
    if (found > format) {
        (void)wr_log_fail(error, WEIR_CONFLICT,
                          "%s: its format is number %llu, and this program knows those up to %llu: "
                          "use a newer one",
                          path, (unsigned long long)found, (unsigned long long)format);
        return false;
    }
    return true;
}

weir_status wr_lines_fail(const char *path, struct wr_log_error *error)
{
    return wr_log_fail(error, WEIR_DAMAGED,
                       "%s: its checksum is right, but its lines make no sense here: it is another "
                       "file, or was changed by hand; put back a copy of it",
                       path);
}
