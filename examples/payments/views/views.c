// What the views share.
#include "views.h"

#include <stdio.h>

void payments_write_view(weir_stream view, const char *directory, const char *name,
                         const char *nullable)
{
    char                   operator_name[64];
    char                   path[4096];
    weir_file_sink_options options;
    memset(&options, 0, sizeof(options));
    (void)snprintf(operator_name, sizeof(operator_name), "write-%s", name);
    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", directory, name);
    options.name     = operator_name;
    options.path     = path;
    options.nullable = nullable;
    (void)weir_to_jsonl(view, &options);
}
