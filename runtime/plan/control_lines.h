// control_lines: what is said to a running job, and what it answers. A line there, a line back:
//
//   rescale WORKERS                    ok WORKERS PAUSED_US
//   savepoint PATH                     ok
//   stop [drain] [savepoint PATH]      ok
//   status                             ok workers N checkpoint N age_us N rows N watermark N
//                                         stopping 0|1 failures N
//                                         [failure_age_us N failure STATUS LENGTH SENTENCE]
//                                         job NAME                      (in one line)
//
// or, to each,                         error STATUS SENTENCE
//
// PATH begins with a slash, goes to the end of the line and has no newline. STATUS is a name of
// weir_status; LENGTH is the sentence's, in bytes, which is there if failures are. A version that
// says more in a status line says it before "job".
//
// Thread rule: any thread; nothing here keeps anything.
#ifndef WR_CONTROL_LINES_H
#define WR_CONTROL_LINES_H

#include "runtime/base/error.h"

#define WR_CONTROL_SOCKET      "control" // its name, in the directory of the checkpoints
#define WR_CONTROL_LINE_BYTES  8192u     // of a command, with its newline
#define WR_CONTROL_WORKERS_MAX 1024u

enum wr_control_verb {
    WR_CONTROL_RESCALE,
    WR_CONTROL_SAVEPOINT,
    WR_CONTROL_STOP,
    WR_CONTROL_STATUS
};

struct wr_control_request {
    enum wr_control_verb verb;
    uint32_t             workers; // of WR_CONTROL_RESCALE
    bool                 drains;  // of WR_CONTROL_STOP
    const char          *path;    // of WR_CONTROL_SAVEPOINT and, NULL: none, of WR_CONTROL_STOP
};

// With its newline, wr_alloc'ed.
char *wr_control_request_line(const struct wr_control_request *request);
// A line without its newline; the path points into it. False: *error says what is wrong with it.
bool wr_control_request_parse(const char *line, struct wr_control_request *request,
                              struct wr_error *error);

struct wr_control_status {
    uint64_t    workers;
    uint64_t    checkpoint;  // the last one published by this run; 0: none yet
    int64_t     age_us;      // since then
    uint64_t    rows;        // read by the sources, rejected and late ones too
    int64_t     watermark;   // of the sources
    bool        is_stopping; // the sources were asked to end
    const char *job;
    uint64_t    failures;       // checkpoints that were given up since the last one published
    int64_t     failure_age_us; // since the last of them
    weir_status failure_status;
    const char *failure; // its sentence, of so many bytes
    size_t      failure_bytes;
};

// The answers, with their newlines, wr_alloc'ed.
char *wr_control_done_line(void);
char *wr_control_rescaled_line(uint32_t workers, int64_t paused_us);
char *wr_control_status_line(const struct wr_control_status *status);
char *wr_control_error_line(weir_status status, const char *sentence);

// What an answer without its newline says: WEIR_OK, and *rest is what follows "ok"; or that it is
// an error, whose sentence is in *rest. Anything else is WEIR_MISMATCH; *rest says so.
weir_status wr_control_answer_parse(const char *line, const char **rest);
// What follows the "ok" of such an answer. False: it is another.
bool wr_control_rescaled_parse(const char *rest, uint32_t *workers, int64_t *paused_us);
bool wr_control_status_parse(const char *rest, struct wr_control_status *status);

#endif // WR_CONTROL_LINES_H
