// file_list: the files that a source's path stands for, each a partition.
//
//   payments.jsonl     that file                       day/          its files, in byte order, but
//   day/*.jsonl        those that match, likewise                    those whose name begins with .
//   -                  standard input
#ifndef WR_FILE_LIST_H
#define WR_FILE_LIST_H

#include "runtime/connector.h"

// As wr_connector.list. A pattern may hold * ? and [] in any part of the path; a path that exists
// as it is written is no pattern.
bool wr_file_list(struct wr_environment *environment, const char *path,
                  struct wr_partition_list *list, weir_status *status, char **error);

#endif // WR_FILE_LIST_H
