// local_socket: a named socket in a directory, over which processes of one machine talk in bytes.
//
// A path that is longer than a socket's address can be goes by way of /proc/self/fd.
//
// Thread rule: any thread. Of the real environment only: a simulation has one process.
#ifndef WR_LOCAL_SOCKET_H
#define WR_LOCAL_SOCKET_H

#include "runtime/base/base.h"

// Makes the socket `name` in the directory and listens: a descriptor that does not block, or
// -errno. Only the same user may connect. A socket that is there already is taken for one that a
// process left which is gone, and replaced, so the caller must hold the directory; -EADDRINUSE:
// something else has the name.
int wr_local_socket_listen(const char *directory, const char *name);
// Takes away the name, then closes.
void wr_local_socket_close(int listening, const char *directory, const char *name);

// A descriptor that does not block, or -errno: -ENOENT there is no such socket, -ECONNREFUSED
// nobody listens there.
int wr_local_socket_connect(const char *directory, const char *name);

#endif // WR_LOCAL_SOCKET_H
