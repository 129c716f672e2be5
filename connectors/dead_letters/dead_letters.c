// What a reader could not make a record of, as a dead letter: up to 4 KiB of its bytes, readable.
#include "connectors/text/text.h"
#include "runtime/connector.h"

#include <weir/job.h>

#include <string.h>

#define TEXT_MAX 4096

static const char replacement[] = { '\xef', '\xbf', '\xbd' }; // U+FFFD in UTF-8

// Copies `bytes` to `text` with every byte that is no UTF-8 replaced, as far as it fits. A
// character that was cut off at the end of what was kept is left out.
static size_t text_of(char *text, const char *bytes, size_t length, bool is_cut)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        const size_t room  = TEXT_MAX - used;
        const size_t left  = length - at;
        const size_t valid = wr_text_utf8_valid(bytes + at, left < room ? left : room);
        memcpy(text + used, bytes + at, valid);
        used += valid;
        at += valid;
        if (at == length || wr_text_utf8_sequence(bytes + at, length - at) > 0) {
            break; // all of it, or a character for which there is no room
        }
        if (is_cut && length - at < 4 && (bytes[at] & '\xc0') == '\xc0') {
            break;
        }
        if (used + sizeof(replacement) > TEXT_MAX) {
            break;
        }
        memcpy(text + used, replacement, sizeof(replacement));
        used += sizeof(replacement);
        at++;
    }
    return used;
}

bool wr_reader_reject(struct wr_reader *reader, uint64_t line, const char *reason,
                      const char *bytes, size_t kept_bytes, uint64_t total_bytes)
{
    struct wr_node   *node    = reader->node;
    struct wr_output *rejects = &node->outputs[WR_OUTPUT_REJECTS];
    if (node->output_count > WR_OUTPUT_REJECTS && rejects->is_used) {
        char         text[TEXT_MAX];
        const size_t kept = kept_bytes < TEXT_MAX ? kept_bytes : TEXT_MAX;
        if (wr_output_room(rejects) == 0) {
            return false;
        }
        weir_dead_letter *letter = wr_output_row(rejects);
        memset(letter, 0, sizeof(*letter));
        letter->partition = weir_str_from(reader->name);
        letter->line      = line;
        letter->reason    = weir_str_from(reason);
        letter->bytes     = total_bytes;
        letter->text      = weir_str_of(text, text_of(text, bytes, kept, kept < total_bytes));
        if (rejects->batch->times != NULL) {
            rejects->batch->times[rejects->batch->row_count] = WEIR_TIME_MIN;
        }
        if (!wr_output_seal(rejects)) {
            return false;
        }
    }
    wr_count(node->counters, WR_REJECTED, 1);
    return true;
}
