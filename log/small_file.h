// small_file: a short text with its own checksum, replaced as a whole.
//
//   weir KIND 1              what it is, and the number of its format
//   ... lines ...            "word rest"
//   crc32c 1a2b3c4d          of all bytes before this line, as 8 hexadecimal digits
//
// Written: NAME.tmp, sync, rename over NAME, sync of the directory. So a file that is there is
// whole; one whose checksum is wrong is damaged, not torn.
#ifndef WR_LOG_SMALL_FILE_H
#define WR_LOG_SMALL_FILE_H

#include "log/log.h"
#include "runtime/base/text_file.h"

#define WR_SMALL_FILE_BYTES_MAX (16u << 20)

// The text without its last line (wr_alloc'ed, with a zero byte behind it), or NULL: error->status
// is WEIR_NOT_FOUND, WEIR_DAMAGED (with the place), or what the disk said.
char       *wr_small_file_read(struct wr_environment *environment, const char *path, size_t *length,
                               struct wr_log_error *error);
weir_status wr_small_file_write(struct wr_environment *environment, const char *path,
                                const char *text, struct wr_log_error *error);

// ---- its lines: wr_text_lines_take and the like read on ----

// Before the first line after "KIND format"; kind is "weir log" or the like. False, with a
// sentence: another kind, or a newer format (WEIR_CONFLICT).
bool wr_lines_begin(struct wr_text_lines *lines, char *text, const char *kind, uint64_t format,
                    const char *path, struct wr_log_error *error);
// The lines are not what they should be.
weir_status wr_lines_fail(const char *path, struct wr_log_error *error);

#define WR_LOG_ID_TEXT 33
void wr_log_id_text(const struct wr_log_id *id, char *text); // WR_LOG_ID_TEXT bytes
bool wr_log_id_parse(const char *text, struct wr_log_id *id);

#endif // WR_LOG_SMALL_FILE_H
