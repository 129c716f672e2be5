// template: a -f format, cut into its parts once.
//
//   %s %S value, its bytes (-1: a deletion)   %R the same as 32 bits, big endian
//   %k %K key, its bytes                      %t %p %o topic, partition, offset
//   %T %I time, in ms since 1970 / RFC 3339   %h headers, of which a log has none
//   %C change: insert, delete, ...            %% \n \r \t \0 \\ \xNN
#ifndef WR_CLI_TEMPLATE_H
#define WR_CLI_TEMPLATE_H

#include <weir/api.h>

#define WR_TEMPLATE_TOKENS "sSRkKtpoTIhC"

struct wr_template_part {
    char   token; // one of WR_TEMPLATE_TOKENS; 0: the bytes
    char  *bytes;
    size_t length;
};

struct wr_template {
    struct wr_template_part *parts;
    uint32_t                 count;
};

// False: *error (wr_alloc'ed) says what is wrong with the text, and nothing is left to be freed.
bool wr_template_init(struct wr_template *template, const char *text, char **error);
void wr_template_fini(struct wr_template *template);

#endif // WR_CLI_TEMPLATE_H
