// A -f format, cut into parts.
#include "cli/log/template.h"

#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

// The parts as text: tokens as <t>, bytes as they are; until the next call.
static const char *parts_of(const char *text)
{
    static char all[256];
    struct wr_template template;
    char  *error  = NULL;
    size_t length = 0;
    cr_assert(wr_template_init(&template, text, &error), "\"%s\": %s", text, error);
    all[0] = '\0';
    for (uint32_t i = 0; i < template.count; i++) {
        const struct wr_template_part *part    = &template.parts[i];
        const char                     token[] = { '<', part->token, '>', '\0' };
        length += (size_t)snprintf(all + length, sizeof(all) - length, "%.*s",
                                   part->token != 0 ? 3 : (int)part->length,
                                   part->token != 0 ? token : part->bytes);
    }
    wr_template_fini(&template);
    return all;
}

Test(template, tokens_stand_between_bytes)
{
    cr_assert_str_eq(parts_of("%t/%p/%o: %k=%s\\n"), "<t>/<p>/<o>: <k>=<s>\n");
    cr_assert_str_eq(parts_of("%s%S%R%K%T%I%h%C"), "<s><S><R><K><T><I><h><C>");
}

Test(template, a_percent_sign_is_written_twice)
{
    cr_assert_str_eq(parts_of("100%% of %s%%"), "100% of <s>%");
    cr_assert_str_eq(parts_of("%%%%"), "%%");
    cr_assert_str_eq(parts_of("%%s"), "%s");
}

Test(template, nothing_is_a_template_too) { cr_assert_str_eq(parts_of(""), ""); }

Test(template, an_unknown_token_is_named)
{
    struct wr_template template;
    char *error = NULL;
    cr_assert_not(wr_template_init(&template, "%s %q", &error));
    cr_assert_not_null(strstr(error, "%q"));
    wr_free(error);
    cr_assert_not(wr_template_init(&template, "100%", &error));
    wr_free(error);
    cr_assert_not(wr_template_init(&template, "a\\q", &error));
    cr_assert_not_null(strstr(error, "escape"));
    wr_free(error);
}
