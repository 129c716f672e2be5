// text_file: a short text with its own checksum, replaced as a whole or made once.
//
//   weir KIND 1              what it is, and the number of its format
//   ... lines ...            "word rest"
//   crc32c 1a2b3c4d          of all bytes before this line, as 8 hexadecimal digits
//
// Written: a temporary name, sync, rename, sync of the directory. So a file that is there is whole;
// one whose checksum is wrong is damaged, not torn.
#ifndef WR_TEXT_FILE_H
#define WR_TEXT_FILE_H

#include "runtime/base/environment.h"
#include "runtime/base/error.h"

#define WR_TEXT_FILE_BYTES_MAX (16u << 20)

// The text without its last line (wr_alloc'ed, with a zero byte behind it), or NULL: error->status
// is WEIR_NOT_FOUND, WEIR_DAMAGED (with the place), or what the disk said.
char *wr_text_file_read(struct wr_environment *environment, const char *path, size_t *length,
                        struct wr_error *error);
// Replaces what is at `path`, by way of PATH.tmp.
weir_status wr_text_file_write(struct wr_environment *environment, const char *path,
                               const char *text, struct wr_error *error);

// The first half of that: makes or empties the file at `path` and syncs it; if that fails, it is
// gone. 0 or -errno; *is_unsynced (may be NULL): the sync failed. The text is of whole lines.
int wr_text_file_make(struct wr_environment *environment, const char *path, const char *text,
                      bool *is_unsynced);

// ---- its lines ----

struct wr_text_lines {
    char *at; // of the next one; each that is taken ends with a zero byte from then on
};

// Before the first line after "KIND format"; kind is "weir epoch" or the like. False, with a
// sentence: another kind, or a newer format (WEIR_CONFLICT).
bool wr_text_lines_begin(struct wr_text_lines *lines, char *text, const char *kind, uint64_t format,
                         const char *path, struct wr_error *error);
// What follows `word` and a space in the next line; NULL: the line is another, and is not taken.
char *wr_text_lines_take(struct wr_text_lines *lines, const char *word);
// The same of a line that is "word number"; false also if it is more than `most`.
bool wr_text_lines_number(struct wr_text_lines *lines, const char *word, uint64_t most,
                          uint64_t *number);
// The lines are not what they should be.
weir_status wr_text_lines_fail(const char *path, struct wr_error *error);

// Parts of a line, moving *text past them: a decimal number without needless zeros; a fixed word;
// a number of exactly `digits` hexadecimal digits in lower case.
bool wr_text_take_number(const char **text, uint64_t most, uint64_t *number);
bool wr_text_take_word(const char **text, const char *word);
bool wr_text_take_hex(const char **text, uint32_t digits, uint64_t *number);

#endif // WR_TEXT_FILE_H
