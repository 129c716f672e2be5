// What all environments share.
#include "runtime/base/environment.h"

void wr_environment_close(struct wr_environment *environment)
{
    environment->ops->fini(environment);
}
