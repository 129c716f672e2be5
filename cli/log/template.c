#include "cli/log/template.h"

#include "cli/log/values.h"
#include "runtime/base/base.h"

#include <string.h>

static struct wr_template_part *template_add(struct wr_template *template, char token)
{
    template->parts = wr_realloc(template->parts, (template->count + 1) * sizeof(*template->parts));
    struct wr_template_part *part = &template->parts[template->count++];
    *part                         = (struct wr_template_part){ .token = token };
    return part;
}

bool wr_template_init(struct wr_template *template, const char *text, char **error)
{
    *template = (struct wr_template){ .count = 0 };
    while (*text != '\0') {
        if (text[0] == '%' && text[1] != '%') {
            if (text[1] == '\0' || strchr(WR_TEMPLATE_TOKENS, text[1]) == NULL) {
                *error = wr_format("there is no token \"%%%c\" in a format; see the help for those "
                                   "there are, and write %%%% for a percent sign",
                                   text[1] == '\0' ? ' ' : text[1]);
                wr_template_fini(template);
                return false;
            }
            (void)template_add(template, text[1]);
            text += 2;
            continue;
        }
        const size_t             skip  = text[0] == '%' ? 1 : 0; // the first of two
        const size_t             taken = skip + strcspn(text + 2 * skip, "%");
        char                    *plain = wr_format("%.*s", (int)taken, text + skip);
        struct wr_template_part *part  = template_add(template, 0);
        part->bytes                    = wr_alloc(taken + 1);
        const bool is_right            = wr_value_bytes(plain, part->bytes, &part->length);
        if (!is_right) {
            *error =
                wr_format("\"%s\" has an escape that is none of \\n \\r \\t \\0 \\\\ \\xNN", plain);
        }
        wr_free(plain);
        if (!is_right) {
            wr_template_fini(template);
            return false;
        }
        text += skip + taken;
    }
    return true;
}

void wr_template_fini(struct wr_template *template)
{
    for (uint32_t i = 0; i < template->count; i++) {
        wr_free(template->parts[i].bytes);
    }
    wr_free(template->parts);
    *template = (struct wr_template){ .count = 0 };
}
