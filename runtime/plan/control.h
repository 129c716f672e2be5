// control: a running job takes commands through a socket in the directory of its checkpoints, from
// whoever may write there (control_lines.h says which, and how they are answered).
//
//   weir job ... --connect--> DIR/control --line--> "weir/control" --queue--> "weir/command"
//                <------------------------- line -- status                    weir_run_..._any
//
// One command at a time, as they came; but a status is answered at once, whatever others wait for.
// A client that is slow, silent or gone harms nobody: its line must come within seconds, and an
// answer that it does not take is dropped. Who asked for the end hears of it when the run has let
// go of the directory, so that the job may be started again at once.
//
// Thread rule: two threads of its own, which sleep until somebody connects: one reads lines, the
// other does what they say; opened and closed by who launches the run.
#ifndef WR_CONTROL_H
#define WR_CONTROL_H

#include <weir/run.h>

struct wr_control_socket;

// Listens on behalf of a run that was started and holds `directory`. Rescales and savepoints may
// take timeout_us. NULL: it cannot, as *sentence (wr_alloc'ed) says.
struct wr_control_socket *wr_control_open(weir_run *run, const char *directory, int64_t timeout_us,
                                          char **sentence);
// Before what commands use is taken apart, the run having ended: no more are taken. NULL is fine.
void wr_control_stop(struct wr_control_socket *control);
// After the run has let go of the directory; whoever asked for its end hears how that was: WEIR_OK,
// or the sentence why it failed. NULL is fine.
void wr_control_close(struct wr_control_socket *control, weir_status status, const char *sentence);

#endif // WR_CONTROL_H
