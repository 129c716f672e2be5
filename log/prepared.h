// prepared: transactions that were prepared and not decided, by their ids and by the beginning of
// their names. For who prepares under many names, and finds them again after a crash.
//
// Thread rule: any thread; but an id is decided by one thread at a time.
#ifndef WR_LOG_PREPARED_H
#define WR_LOG_PREPARED_H

#include "log/log.h"

// Calls `each` with the id and name of every prepared, undecided transaction whose name begins with
// `prefix`, oldest first. WEIR_USAGE: the log is open for reading.
weir_status wr_transactions_each_prepared(weir_log *log, const char *prefix,
                                          void (*each)(void *opaque, uint64_t id, const char *name),
                                          void *opaque);
// As weir_transaction_resolve, by the id alone.
weir_status wr_transactions_resolve(weir_log *log, uint64_t id, bool commits,
                                    struct wr_log_error *error);

#endif // WR_LOG_PREPARED_H
