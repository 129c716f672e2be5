// error: what became of a call that can fail: a status, and a sentence for people.
#ifndef WR_ERROR_H
#define WR_ERROR_H

#include "runtime/base/base.h"

// WEIR_OK and NULL, or both set; the sentence is the struct's own.
struct wr_error {
    weir_status status;
    char       *sentence;
};

// Replaces what `error` says; returns `status`, which is not WEIR_OK. The sentence may quote the
// one before.
weir_status wr_error_set(struct wr_error *error, weir_status status, const char *sentence, ...)
    WEIR_PRINTF(3, 4);
void wr_error_fini(struct wr_error *error); // to WEIR_OK; may be set again
// Ends it: its sentence goes to a caller of the library, who frees it with free(); NULL: it is
// dropped. Returns its status.
weir_status wr_error_hand_out(struct wr_error *error, char **sentence);
// The status of -errno or errno; 0 is WEIR_OK.
weir_status wr_error_status(int io_error);

#endif // WR_ERROR_H
