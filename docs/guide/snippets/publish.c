// publish: publishes a topic of a log to a directory of JSON Lines, each record once, however often
// it is killed.
//
//   publish LOG TOPIC DIRECTORY            until a later one takes over
//   publish LOG TOPIC DIRECTORY once       what is committed now
#include <weir.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: publish LOG TOPIC DIRECTORY [once]\n");
        return weir_status_exit_code(WEIR_USAGE);
    }
    const bool                is_once = argc > 4 && strcmp(argv[4], "once") == 0;
    const weir_outbox_options options = { .linger = WEIR_MILLISECONDS(20) };
    weir_outbox_target       *target  = weir_file_target_open(argv[3]);
    weir_outbox              *outbox;
    weir_outbox_counters      done;

    weir_status status = weir_outbox_open(argv[1], argv[2], target, &options, &outbox);
    if (status == WEIR_OK) {
        status = is_once ? weir_outbox_flush(outbox, -1) : weir_outbox_wait(outbox, -1);
    }
    weir_outbox_count(outbox, &done);
    (void)printf("%llu published\n", (unsigned long long)done.records);
    (void)weir_outbox_close(outbox);
    weir_file_target_close(target);
    return weir_status_exit_code(status);
}
