// json: names and times as commands print them.
#ifndef WR_CLI_JSON_H
#define WR_CLI_JSON_H

#include <stdio.h>
#include <weir/event_time.h>

void wr_json_print_text(FILE *to, const char *text); // with its quotes

// The time as a JSON string; null: before the year 0; "end": after 9999.
void wr_json_print_time(FILE *to, weir_time time);
// The same for people, into WEIR_TIME_TEXT_MAX bytes; returns `to`.
const char *wr_time_text(weir_time time, char *to);

#endif // WR_CLI_JSON_H
