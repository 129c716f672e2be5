// fsck: what is wrong with a log, found by reading all of it. It never writes, works on a damaged
// log, and beside a living writer (then it checks what readers may read by now).
//
// Each kind of damage has an exit code of its own; of several, `weir log fsck` ends with that of
// the gravest, which is the last of these that was found:
//
//   code  kind
//      0  clean
//     20  torn-tail     a crash left something half done; nothing acknowledged is lost, and the
//                       next writer clears it away
//     28  consumer      a consumer's offsets lie outside of the topic
//     27  transaction   records of transactions that nothing decides
//     26  rows          records that their schema cannot decode
//     25  small-file    a small file (log, epoch, topic, start, consumer) is damaged or missing
//     24  foreign       a segment of another log, topic, partition or time, or renamed
//     29  unreadable    a file or directory could not be read
//     21  damaged       bytes of a segment are not what was written
//     22  cut-short     a segment ends before it should
//     23  missing       a segment or a partition is not there
//
// Thread rule: owned by one thread.
#ifndef WR_LOG_FSCK_H
#define WR_LOG_FSCK_H

#include "log/log.h"

// From the least grave to the gravest: name, exit code, word.
#define WR_FSCK_LIST(X)                                                                            \
    X(CLEAN, 0, "clean")                                                                           \
    X(TAIL, 20, "torn-tail")                                                                       \
    X(CONSUMER, 28, "consumer")                                                                    \
    X(TRANSACTION, 27, "transaction")                                                              \
    X(ROWS, 26, "rows")                                                                            \
    X(FILE, 25, "small-file")                                                                      \
    X(FOREIGN, 24, "foreign")                                                                      \
    X(UNREADABLE, 29, "unreadable")                                                                \
    X(DAMAGED, 21, "damaged")                                                                      \
    X(SHORT, 22, "cut-short")                                                                      \
    X(MISSING, 23, "missing")

enum wr_fsck_kind {
#define WR_FSCK_ENUM(name, code, word) WR_FSCK_##name,
    WR_FSCK_LIST(WR_FSCK_ENUM)
#undef WR_FSCK_ENUM
};
int         wr_fsck_exit_code(enum wr_fsck_kind kind);
const char *wr_fsck_word(enum wr_fsck_kind kind);

struct wr_fsck_finding {
    enum wr_fsck_kind kind;
    const char       *sentence;
    const char       *path;
    uint64_t          byte;                     // of the file; UINT64_MAX: all of it
    const char       *topic;                    // NULL: of none
    uint32_t          partition;                // UINT32_MAX: of none
    uint64_t          first_offset, end_offset; // which are affected; the same: none, or not known
};

struct wr_fsck_summary {
    uint32_t          topics, partitions, segments, consumers;
    uint64_t          batches, rows, bytes;
    uint32_t          findings;
    enum wr_fsck_kind gravest;
    bool              has_writer; // a process writes to the log
};

struct wr_fsck_options {
    const char *topic; // only this one; NULL: all, and the consumers
    void (*found)(void *opaque, const struct wr_fsck_finding *finding);  // may be NULL
    void (*advanced)(void *opaque, const struct wr_fsck_summary *sofar); // may be NULL
    void *opaque;
};

// Checks the log in `directory`. WEIR_OK: it was checked, and *summary says how it is; else a
// sentence: there is no such directory, it is no log's, or there is no such topic.
weir_status wr_fsck_run(struct wr_environment *environment, const char *directory,
                        const struct wr_fsck_options *options, struct wr_fsck_summary *summary,
                        struct wr_log_error *error);

#endif // WR_LOG_FSCK_H
